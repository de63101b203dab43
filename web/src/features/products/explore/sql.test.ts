import { expect, it } from "vitest";

import type { Choices } from "./choices";
import { sqlOf, type Built, type Known } from "./sql";

const TABLE = "dataos://lake:retail/orders";
const COLUMNS: Known[] = [
  { name: "id", type: "long" },
  { name: "shop", type: "string" },
  { name: "paid", type: "boolean" },
  { name: "booked", type: "timestamp" },
  { name: "due", type: "date" },
  { name: 'odd"; DROP TABLE x; --', type: "string" },
];
const built = (choices: Choices): Built => sqlOf(choices, TABLE, COLUMNS);
const sql = (choices: Choices): string => {
  const found = built(choices);
  if ("faults" in found) throw new Error(found.faults.join());
  return found.sql;
};
const faults = (choices: Choices): string[] => {
  const found = built(choices);
  return "faults" in found ? found.faults : [];
};

it("without choices it is all columns, by name", () => {
  expect(sql({})).toBe(
    'SELECT "id", "shop", "paid", "booked", "due", "odd""; DROP TABLE x; --"\nFROM "lake"."retail"."orders"\nLIMIT 1000',
  );
});

it("columns, filters, order and limit are as chosen", () => {
  expect(
    sql({
      columns: ["shop", "id"],
      filters: [
        { column: "id", is: "ge", value: " 7 " },
        { column: "shop", is: "ne", value: "Oslo" },
      ],
      order: "id",
      descending: true,
      limit: 100,
    }),
  ).toBe(
    `SELECT "shop", "id"
FROM "lake"."retail"."orders"
WHERE "id" >= 7
  AND ("shop" <> 'Oslo' OR "shop" IS NULL)
ORDER BY "id" DESC
LIMIT 100`,
  );
});

it("rows are put together by span and measure", () => {
  const choices: Choices = {
    columns: ["id"],
    groups: [{ column: "booked", by: "month" }, { column: "shop" }],
    measures: [{ how: "sum", column: "id" }, { how: "distinct", column: "shop" }, { how: "count" }],
  };
  expect(sql(choices)).toBe(
    `SELECT date_trunc('month', "booked") AS "booked by month", "shop", sum("id") AS "sum of id", count(DISTINCT "shop") AS "different shop", count(*) AS "rows"
FROM "lake"."retail"."orders"
GROUP BY date_trunc('month', "booked"), "shop"
ORDER BY date_trunc('month', "booked"), "shop"
LIMIT 1000`,
  );
  expect(built(choices)).toMatchObject({
    groups: ["booked by month", "shop"],
    measures: ["sum of id", "different shop", "rows"],
  });
});

it("groups without a measure count their rows, a measure without groups is one row", () => {
  expect(sql({ groups: [{ column: "shop" }] })).toContain('SELECT "shop", count(*) AS "rows"');
  expect(sql({ measures: [{ how: "max", column: "due" }] })).toBe(
    'SELECT max("due") AS "greatest due"\nFROM "lake"."retail"."orders"\nLIMIT 1000',
  );
});

it("what is chosen twice is there once", () => {
  expect(sql({ measures: [{ how: "count" }, { how: "count" }] })).toContain('SELECT count(*) AS "rows"\n');
});

const EVIL = [
  "' OR 1=1 --",
  "'; DROP TABLE orders; --",
  "\\'; --",
  "a''b",
  "%_!",
  "/* */",
  "\u0000",
  "'||(SELECT 1)||'",
  "${x}",
  "’",
  "\n-- x",
];

/** What is left of a statement without its texts and quoted names. */
const bare = (statement: string): string => statement.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, "?");

it.each(EVIL)("the text %j stays a text", (value) => {
  for (const is of ["eq", "ne", "lt", "has", "begins"] as const) {
    const rest = bare(sql({ columns: ["id"], filters: [{ column: "shop", is, value }] }));
    expect(rest).toMatch(
      /^SELECT \?\nFROM \?\.\?\.\?\nWHERE (\? (=|<) \?|\(\? <> \? OR \? IS NULL\)|lower\(\?\) LIKE \? ESCAPE \?)\nLIMIT 1000$/,
    );
  }
});

it.each(EVIL)("%j is no number, day, moment or truth", (value) => {
  for (const column of ["id", "due", "booked", "paid"]) {
    expect(faults({ filters: [{ column, is: "eq", value }] })).toHaveLength(1);
  }
});

it.each(EVIL)("%j is no column", (column) => {
  expect(faults({ columns: [column] })).toHaveLength(1);
  expect(faults({ groups: [{ column }] })).toHaveLength(1);
  expect(faults({ measures: [{ how: "sum", column }] })).toHaveLength(1);
  expect(faults({ filters: [{ column, is: "empty" }] })).toHaveLength(1);
  expect(sql({ columns: ["id"], order: column })).not.toContain("ORDER");
});

it("a column with a bad name is a column all the same", () => {
  const name = 'odd"; DROP TABLE x; --';
  const rest = bare(sql({ groups: [{ column: name }], measures: [{ how: "min", column: name }], order: name }));
  expect(rest).toBe("SELECT ?, min(?) AS ?\nFROM ?.?.?\nGROUP BY ?\nORDER BY ?\nLIMIT 1000");
});

it.each([
  ["id", "1e3", "1e3"],
  ["id", "-1.5", "-1.5"],
  ["paid", "Yes", "TRUE"],
  ["due", "2026-02-28", "DATE '2026-02-28'"],
  ["booked", "2026-02-28", "TIMESTAMP '2026-02-28 00:00:00'"],
  ["booked", "2026-02-28T10:30", "TIMESTAMP '2026-02-28 10:30:00'"],
  ["booked", "2026-02-28 10:30:01.25", "TIMESTAMP '2026-02-28 10:30:01.25'"],
])("%s = %s is %s", (column, value, literal) => {
  expect(sql({ filters: [{ column, is: "eq", value }] })).toContain(`"${column}" = ${literal}\n`);
});

it.each([
  ["id", "1; SELECT 2"],
  ["id", "0x10"],
  ["due", "2026-02-30"],
  ["due", "yesterday"],
  ["booked", "2026-02-28 10"],
  ["paid", "1"],
])("%s does not take %s", (column, value) => {
  expect(faults({ filters: [{ column, is: "eq", value }] })).toEqual([`“${value}” is no value for ${column}.`]);
});

it("signs of patterns are looked for as they are", () => {
  expect(sql({ filters: [{ column: "shop", is: "has", value: "50%_Off!" }] })).toContain(
    `lower("shop") LIKE '%50!%!_off!!%' ESCAPE '!'`,
  );
});

it("an address that is no dataset is not asked", () => {
  expect(sqlOf({}, "restricted dataset", COLUMNS)).toHaveProperty("faults");
  expect(sqlOf({}, TABLE, [])).toHaveProperty("faults");
});
