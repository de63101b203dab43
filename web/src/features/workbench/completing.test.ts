import { expect, it } from "vitest";

import { fullPath, pathBefore, tablesIn } from "./completing";

it("finds the tables of a statement with what it calls them", () => {
  const sql = `SELECT * FROM lake.retail.orders o JOIN "My Lake".hr."p""p" AS p ON o.id = p.id LEFT JOIN x WHERE 1 = 1`;
  expect(tablesIn(sql)).toEqual([
    { path: ["lake", "retail", "orders"], alias: "o" },
    { path: ["My Lake", "hr", 'p"p'], alias: "p" },
    { path: ["x"], alias: null },
  ]);
});

it("finds the path before the cursor", () => {
  expect(pathBefore("SELECT * FROM lake.ret")).toEqual({ before: ["lake"], length: 3 });
  expect(pathBefore("SELECT * FROM lake.retail.")).toEqual({ before: ["lake", "retail"], length: 0 });
  expect(pathBefore('SELECT * FROM "My Lake"."h')).toEqual({ before: ["My Lake"], length: 2 });
  expect(pathBefore("SELECT sum(am")).toEqual({ before: [], length: 2 });
  expect(pathBefore("SELECT ")).toEqual({ before: [], length: 0 });
});

it("completes paths by the session", () => {
  const session = { catalog: "lake", schema: "retail" };
  expect(fullPath(["orders"], session)).toEqual(["lake", "retail", "orders"]);
  expect(fullPath(["hr", "people"], session)).toEqual(["lake", "hr", "people"]);
  expect(fullPath(["a", "b", "c"], null)).toEqual(["a", "b", "c"]);
  expect(fullPath(["orders"], { catalog: "lake", schema: null })).toBeNull();
  expect(fullPath(["orders"], null)).toBeNull();
});
