import { expect, it } from "vitest";

import type { Summary } from "@/features/resources/queries";
import type { Rule } from "../shared/queries";
import { chosenOf, objectsOf, policiesOf } from "./listing";
import { sentencesOf } from "./sentences";

const rule = (more: Partial<Rule>): Rule => ({
  policy: "p",
  effect: "allow",
  layer: "user",
  origin: "policy",
  description: "",
  subjects: [["roles:id:analyst"]],
  predicates: ["read", "select"],
  paths: ["dataos://lakehouse:retail/*"],
  tags: [],
  priority: null,
  columnTags: [],
  columnNames: [],
  mask: null,
  filters: [],
  ...more,
});
const resource = (name: string): Summary => ({ name, layer: "user", updated: "2026-01-01" }) as Summary;
const mask = rule({
  effect: "mask",
  priority: 40,
  paths: ["dataos://**:**/**"],
  columnTags: ["PII.Email"],
  mask: "sha256(value)",
});

it("tells what is in force, archived and shipped", () => {
  const shipped = rule({ policy: "everything", origin: "shipped" });
  const found = policiesOf([resource("p"), resource("old")], [rule({}), shipped]);
  expect(found.map((p) => [p.name, p.state, p.effect])).toEqual([
    ["everything", "shipped", "allow"],
    ["old", "archived", ""],
    ["p", "in force", "allow"],
  ]);
  expect(policiesOf([resource("p")], undefined).map((p) => p.state)).toEqual([""]);
});
it("filters by what a policy does and by words", () => {
  const all = policiesOf([], [rule({}), { ...mask, policy: "m" }]);
  expect(chosenOf(all, { effect: ["mask"] }).map((p) => p.name)).toEqual(["m"]);
  expect(chosenOf(all, { q: "pii.email" }).map((p) => p.name)).toEqual(["m"]);
});
it("says what it speaks of", () => {
  expect(objectsOf(mask)).toBe("columns tagged PII.Email of all datasets");
  expect(objectsOf(rule({ paths: ["**"], tags: [["**"]] }))).toBe("everything");
  expect(objectsOf(rule({ paths: [], tags: [["a", "b"], ["c"]] }))).toBe("a and b, or c");
});
it("says in sentences what it does", () => {
  expect(sentencesOf(rule({}))[0]).toBe("Whoever has roles:id:analyst may read, select dataos://lakehouse:retail/*.");
  expect(sentencesOf(rule({ effect: "deny", predicates: ["**"] }))[0]).toContain("may not do anything with");
  expect(sentencesOf(mask)[0]).toContain("sha256(value) instead of the value");
  expect(sentencesOf({ ...mask, mask: "shown as it is" })[0]).toContain("as they are");
  expect(sentencesOf(rule({ effect: "filter", filters: ["region = 'EMEA'", "a = 1"] }))[0]).toContain(
    "where region = 'EMEA' and a = 1",
  );
});
