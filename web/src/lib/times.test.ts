import { expect, it } from "vitest";

import { relative } from "./times";

const now = new Date("2026-03-01T12:00:00Z");

it.each([
  ["2026-03-01T12:00:10Z", "just now"],
  ["2026-03-01T11:59:15Z", "just now"],
  ["2026-03-01T11:57:01Z", "2 min ago"],
  ["2026-03-01T14:00:00Z", "in 2 hr"],
  ["2026-02-28T12:00:00Z", "yesterday"],
  ["2025-03-01T12:00:00Z", "last yr"],
])("%s is %s", (at, wanted) => {
  expect(relative(new Date(at), now)).toBe(wanted);
});
