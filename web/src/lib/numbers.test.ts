import { expect, it } from "vitest";

import { numberOf } from "./numbers";

it("only numbers have a place on an axis", () => {
  expect(["12.50", -3, "1e3", "NaN", "Infinity", "", "a", null, true].map(numberOf)).toEqual([
    12.5,
    -3,
    1000,
    null,
    null,
    null,
    null,
    null,
    null,
  ]);
});
