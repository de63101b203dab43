import { expect, it } from "vitest";

import { isTouched, notesOf, notesOfRows } from "./notes";

const told = {
  catalog: "lakehouse",
  schema: "retail",
  table: "customers",
  allowed: true,
  policies: ["readers"],
  masks: [{ column: "email", mask: "md5(email)", policy: "hide-email" }],
  filters: [{ filter: "region = 'EMEA'", column: "region", policy: "emea" }],
  denied: ["ssn"],
};

it("says what policies did to each table, the same from both sources", () => {
  const table = "lakehouse.retail.customers";
  const notes = notesOf([told]);
  expect(notes).toEqual([
    { table, column: "", effect: "allowed", expression: "", policy: "readers" },
    { table, column: "region", effect: "filter", expression: "region = 'EMEA'", policy: "emea" },
    { table, column: "email", effect: "mask", expression: "md5(email)", policy: "hide-email" },
    { table, column: "ssn", effect: "denied", expression: "", policy: "" },
  ]);
  const rows = notes.map((n) => [n.table, n.column || null, n.effect, n.expression || null, n.policy || null]);
  expect(notesOfRows(rows)).toEqual(notes);
  expect(isTouched(notes)).toBe(true);
  expect(isTouched(notes.slice(0, 1))).toBe(false);
});
