import { expect, it } from "vitest";

import { hasOne, says } from "./filtering";

it("finds parts without letter case", () => {
  expect(says(" IDA", "x", "friday")).toBe(true);
  expect(says("ida", "bo")).toBe(false);
  expect(says(undefined)).toBe(true);
});
it("wants one of the chosen values, or any", () => {
  expect(hasOne(["a"], "b", "a")).toBe(true);
  expect(hasOne(["a"], "b")).toBe(false);
  expect(hasOne(undefined)).toBe(true);
});
