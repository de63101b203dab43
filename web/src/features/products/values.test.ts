import { expect, it } from "vitest";

import { cellOf, textOf } from "./values";

it("values are shown as what they are", () => {
  expect([null, "a", 1, true, [1, null], { a: 1 }].map(textOf)).toEqual(["", "a", "1", "true", "[1,null]", '{"a":1}']);
  expect([2, "10", null].map(cellOf)).toEqual([2, "10", ""]);
});
