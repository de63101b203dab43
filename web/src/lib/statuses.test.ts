import { expect, it } from "vitest";

import { toneOf } from "./statuses";

it.each([
  ["active", "good"],
  ["error", "bad"],
  ["running:1", "busy"],
  ["Succeeded", "good"],
  ["next:2026-03-01T00:00:00Z", "still"],
  ["paused", "warn"],
  ["queued", "busy"],
  ["finished", "good"],
  ["In force", "good"],
  ["masked", "warn"],
  ["Restricted Access", "warn"],
  ["No Access", "bad"],
  ["deprecated", "warn"],
  ["", "still"],
])("%j is %s", (state, tone) => {
  expect(toneOf(state)).toBe(tone);
});
