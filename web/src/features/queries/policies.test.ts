import { expect, it } from "vitest";

import { effectsOf } from "./policies";

const decision = {
  catalog: "lake",
  schema: "retail",
  table: "customer",
  allowed: true,
  policies: ["readers"],
  masks: [{ column: "email", mask: "hash", policy: "pii" }],
  filters: [{ filter: "country = 'PT'", column: "country", policy: "local" }],
  denied: ["salary"],
};

it("has a line for access, each filter, each mask and each denied column", () => {
  const table = "lake.retail.customer";
  expect(effectsOf([decision])).toEqual([
    { table, what: "allowed", on: "the table", how: "", policy: "readers" },
    { table, what: "filtered", on: "country", how: "country = 'PT'", policy: "local" },
    { table, what: "masked", on: "email", how: "hash", policy: "pii" },
    { table, what: "denied", on: "salary", how: "", policy: "" },
  ]);
  expect(effectsOf([])).toEqual([]);
});
