import { expect, it } from "vitest";

import type { Atom, UseCase } from "./artifacts";
import { openLines, valuesFrom, variablesOf } from "./variables";

const atom = (id: string, more: Partial<Atom>): Atom => ({
  id,
  description: "",
  predicate: "read",
  tags: [],
  paths: [],
  ...more,
});
const table = atom("table-read", { tags: [["dataos:table:${catalog}:${table}"]], paths: ["/x/${catalog}"] });
const cluster = atom("cluster", { tags: [["dataos:cluster:${cluster}"], ["dataos:layer:user"]] });
const useCase: UseCase = {
  id: "read",
  name: "Read",
  description: "",
  category: "",
  atoms: ["table-read", "cluster", "unknown"],
  values: [{ atom: "cluster", sets: [{ cluster: "**" }] }],
  shipped: false,
};

it("finds variables of tags and paths once", () => expect(variablesOf(table)).toEqual(["catalog", "table"]));
it("asks for what a use case leaves open", () => {
  expect(openLines(useCase, [table, cluster]).map((line) => `${line.atom}:${line.variable}`)).toEqual([
    "table-read:catalog",
    "table-read:table",
  ]);
});
it("asks where one of several sets leaves it open", () => {
  const partly: UseCase = {
    ...useCase,
    atoms: ["table-read"],
    values: [{ atom: "table-read", sets: [{ table: "a" }, {}] }],
  };
  expect(openLines(partly, [table]).map((line) => line.variable)).toEqual(["catalog", "table"]);
});
it("makes sets of lines", () => {
  const lines = ["orders", "stores"].flatMap((value) => [
    { atom: "a", variable: "catalog", value: "lakehouse" },
    { atom: "a", variable: "table", value },
  ]);
  expect(valuesFrom([...lines, { atom: "b", variable: "x", value: " " }])).toEqual({
    a: [
      { catalog: "lakehouse", table: "orders" },
      { catalog: "lakehouse", table: "stores" },
    ],
  });
});
