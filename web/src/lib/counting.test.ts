import { expect, it } from "vitest";

import { countsOf } from "./counting";

it("counts values by name and leaves out what has none", () => {
  expect(countsOf(["b", "a", "", "b"], (text) => text)).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
});
it("counts every value of things with several", () => {
  const rows = [{ roles: ["b", "a"] }, { roles: ["a"] }, { roles: [] }];
  expect(countsOf(rows, (row) => row.roles)).toEqual([
    ["a", 2],
    ["b", 1],
  ]);
});
