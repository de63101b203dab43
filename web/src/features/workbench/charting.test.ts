import { expect, it } from "vitest";

import { firstChoice, seriesOf } from "./charting";

const columns = [
  { name: "id", type: "bigint" },
  { name: "day", type: "date" },
  { name: "amount", type: "decimal(10,2)" },
];

it("begins with a column that is no number against one that is", () => {
  expect(firstChoice(columns)).toEqual({ kind: "line", category: 1, values: [0] });
  expect(firstChoice([{ name: "n", type: "integer" }])).toEqual({ kind: "bar", category: 0, values: [0] });
  expect(firstChoice([{ name: "t", type: "varchar" }])).toBeNull();
});

it("takes decimals from their texts and leaves gaps", () => {
  const rows = [
    [1, "2026-01-01", "2.50"],
    [2, null, null],
    [3, "2026-01-03", "NaN"],
  ];
  expect(seriesOf(columns, rows, { kind: "bar", category: 1, values: [2] })).toEqual({
    categories: ["2026-01-01", "NULL", "2026-01-03"],
    series: [{ name: "amount", values: [2.5, null, null] }],
  });
});
