import { expect, it } from "vitest";

import { pivotOf, type Pivot } from "./pivoting";

const rows = [
  ["Oslo", "2026", "2.5"],
  ["Oslo", "2027", "4"],
  ["Rome", "2026", "1"],
  ["Oslo", "2026", null],
];
const by = (part: Partial<Pivot>): Pivot => ({ down: [0], across: 1, aggregate: "sum", value: 2, ...part });

it("groups down and across, with totals of the rows themselves", () => {
  expect(pivotOf(rows, by({}))).toEqual({
    heads: ["2026", "2027"],
    lines: [
      { labels: ["Oslo"], cells: [2.5, 4], total: 6.5 },
      { labels: ["Rome"], cells: [1, null], total: 1 },
    ],
    totals: [3.5, 4],
    total: 7.5,
  });
});

it("an average's total is that of the rows, not of averages", () => {
  expect(pivotOf(rows, by({ aggregate: "average" })).total).toBeCloseTo(2.5);
});

it("counts rows, also those without a value", () => {
  const counted = pivotOf(rows, by({ aggregate: "count", value: null }));
  expect(counted.lines.map((line) => [...line.cells, line.total])).toEqual([
    [2, 1, 3],
    [1, 0, 1],
  ]);
});

it("needs nothing across, and nothing down", () => {
  expect(pivotOf(rows, by({ across: null })).lines.map((line) => line.total)).toEqual([6.5, 1]);
  expect(pivotOf(rows, by({ down: [], across: null, aggregate: "greatest" })).total).toBe(4);
  expect(pivotOf([], by({})).lines).toEqual([]);
});
