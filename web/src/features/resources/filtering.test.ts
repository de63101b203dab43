import { expect, it } from "vitest";

import { chosenOf, INSTANCE } from "./filtering";
import type { Summary } from "./queries";

const made = (name: string, more: Partial<Summary>): Summary =>
  ({ name, type: "depot", workspace: null, status: "active", owner: "ida", ...more }) as Summary;
const all = [
  made("crm", {}),
  made("Sales", { type: "workflow", workspace: "public", status: "error" }),
  made("salt", { type: "secret", workspace: "public", owner: "bo" }),
];
const names = (list: Summary[]): string[] => list.map((r) => r.name);

it("shows all without filters", () => expect(names(chosenOf(all, {}))).toEqual(["crm", "Sales", "salt"]));
it("searches names without case", () => expect(names(chosenOf(all, { q: " SAL" }))).toEqual(["Sales", "salt"]));
it("takes any value of one filter", () =>
  expect(names(chosenOf(all, { type: ["depot", "secret"] }))).toEqual(["crm", "salt"]));
it("takes all filters together", () =>
  expect(names(chosenOf(all, { workspace: ["public"], status: ["error"] }))).toEqual(["Sales"]));
it("finds what stands in no workspace", () => expect(names(chosenOf(all, { workspace: [INSTANCE] }))).toEqual(["crm"]));
