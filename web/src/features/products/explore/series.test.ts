import { expect, it } from "vitest";

import { drawnOf } from "./series";

it("one group has a line for each measure", () => {
  const rows = [
    ["Oslo", 3, "1.5"],
    [null, 1, null],
  ];
  expect(drawnOf(rows, 1, ["rows", "sum of x"])).toEqual({
    categories: ["Oslo", "(empty)"],
    series: [
      { name: "rows", values: [3, 1] },
      { name: "sum of x", values: [1.5, null] },
    ],
    left: 0,
  });
});

it("of two groups the second are the lines, with gaps where nothing is", () => {
  const rows = [
    ["Jan", "a", 1],
    ["Jan", "b", 2],
    ["Feb", "a", 3],
  ];
  expect(drawnOf(rows, 2, ["rows"])).toEqual({
    categories: ["Jan", "Feb"],
    series: [
      { name: "a", values: [1, 3] },
      { name: "b", values: [2, null] },
    ],
    left: 0,
  });
});

it("more lines than one can tell apart are left out, and said so", () => {
  const rows = Array.from({ length: 20 }, (_, at) => ["Jan", `s${at}`, at]);
  const drawn = drawnOf(rows, 2, ["rows"]);
  expect(drawn.series).toHaveLength(8);
  expect(drawn.left).toBe(12);
});

it("without groups it is one bar", () => {
  expect(drawnOf([[42]], 0, ["rows"])).toEqual({
    categories: ["all"],
    series: [{ name: "rows", values: [42] }],
    left: 0,
  });
});
