import { expect, it } from "vitest";

import { duration, secondsFrom } from "./durations";

it.each([
  [0, "0 ms"],
  [0.0004, "0 ms"],
  [0.85, "850 ms"],
  [0.9999, "1.0 s"],
  [3.24, "3.2 s"],
  [9.96, "10 s"],
  [59.6, "1 min"],
  [65, "1 min 5 s"],
  [3_600, "1 h"],
  [3_605, "1 h"],
  [7_380, "2 h 3 min"],
  [273_600, "3 d 4 h"],
])("%d s is %s", (seconds, wanted) => {
  expect(duration(seconds)).toBe(wanted);
});

it("what goes on lasts until now, what has not begun does not last", () => {
  const now = new Date("2026-03-01T12:00:10Z");
  expect(secondsFrom("2026-03-01T12:00:00Z", null, now)).toBe(10);
  expect(secondsFrom("2026-03-01T12:00:00Z", "2026-03-01T12:00:02.500Z", now)).toBe(2.5);
  expect(secondsFrom(null, null, now)).toBeNull();
  expect(secondsFrom("2026-03-01T12:00:20Z", null, now)).toBe(0);
});
