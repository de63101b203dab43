import { expect, it } from "vitest";

import { counted, isNumeric, lasted, parseExactly, textOf, widthsOf } from "./values";

it("shows values as they are", () => {
  expect([null, "a", 1, true, [1, null], { a: 1 }, ""].map(textOf)).toEqual([
    "NULL",
    "a",
    "1",
    "true",
    "[1,null]",
    '{"a":1}',
    "",
  ]);
});

it("keeps whole numbers that are no doubles", () => {
  expect(parseExactly('{"rows": [[9007199254740993, -9223372036854775808, 5, 1.5]]}')).toEqual({
    rows: [["9007199254740993", "-9223372036854775808", 5, 1.5]],
  });
});

it("knows numbers by their types", () => {
  expect(["bigint", "decimal(10,2)", "double", "varchar(3)", "date"].map(isNumeric)).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});

it("makes columns as wide as what they show, within bounds", () => {
  const [short = 0, long = 0] = widthsOf(
    [
      { name: "a", type: "integer" },
      { name: "b", type: "varchar" },
    ],
    [[1, "x".repeat(500)]],
  );
  expect(short).toBeLessThan(100);
  expect(long).toBe(380);
});

it("says times and counts", () => {
  expect([412, 12_900, 187_000].map(lasted)).toEqual(["0.4 s", "12 s", "3:07"]);
  expect([1, 12_345].map((n) => counted(n, "row"))).toEqual(["1 row", "12,345 rows"]);
});
