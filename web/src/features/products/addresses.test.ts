import { expect, it } from "vitest";

import { placeOf, sampleSql, tableOf, workbenchLink } from "./addresses";

it("an address is taken apart, whatever its dataset is called", () => {
  expect(placeOf("dataos://lake:retail/orders?acl=r")).toEqual({
    depot: "lake",
    collection: "retail",
    dataset: "orders",
  });
  expect(placeOf("dataos://files:raw/flights/2026.csv")?.dataset).toBe("flights/2026.csv");
  expect(placeOf("dataos://lake")).toBeNull();
  expect(placeOf("dataos://lake:retail")).toBeNull();
  expect(placeOf("restricted dataset")).toBeNull();
});

it("names cannot end their quotes", () => {
  const place = { depot: "lake", collection: 'a"; DROP TABLE b; --', dataset: "x.y" };
  expect(tableOf(place)).toBe('"lake"."a""; DROP TABLE b; --"."x.y"');
  expect(sampleSql(place, ['i"d', "select"], 20)).toBe(
    'SELECT "i""d", "select"\nFROM "lake"."a""; DROP TABLE b; --"."x.y"\nLIMIT 20',
  );
});

it("a statement goes to the Workbench whole", () => {
  const sql = "SELECT \"a&b\" FROM t WHERE c = '50%+'";
  expect(new URL(workbenchLink(sql), "http://here").searchParams.get("sql")).toBe(sql);
});
