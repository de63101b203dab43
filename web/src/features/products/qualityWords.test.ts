import { expect, it } from "vitest";

import { qualityWords } from "./qualityWords";

const badge = (passed: number, applied: number) => ({ passed, applied, ok: passed === applied, at: null });

it.each([
  [{}, ""],
  [{ Schema: badge(1, 1) }, "its check passes"],
  [{ Schema: badge(1, 1), Validity: badge(2, 2) }, "all 3 checks pass"],
  [{ Schema: badge(0, 1), Validity: badge(1, 2) }, "2 of 3 checks fail"],
])("%j: %s", (quality, words) => {
  expect(qualityWords(quality)).toBe(words);
});
