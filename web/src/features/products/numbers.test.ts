import { expect, it } from "vitest";

import { percent, seconds } from "./numbers";

it.each([
  [null, "–"],
  [0, "0 %"],
  [83.33, "83.3 %"],
  [99.98, "99.9 %"],
  [100, "100 %"],
])("%j percent is %s", (value, text) => {
  expect(percent(value)).toBe(text);
});

it.each([
  [null, "–"],
  [0.0123, "12 ms"],
  [1.54, "1.5 s"],
  [180, "3 min"],
  [7200, "2 h"],
  [345_600, "4 days"],
])("%j seconds are %s", (value, text) => {
  expect(seconds(value)).toBe(text);
});
