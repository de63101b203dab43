import { expect, it } from "vitest";

import type { Card } from "./queries";
import { groupsOf, OTHERS, rowsOf } from "./rows";

const made = (name: string, useCases: string[], domains: string[] = []): Card =>
  ({ id: `data:v1beta:${name}`, name, useCases, domains }) as unknown as Card;

const CARDS = [made("a", ["Sales", "Audit"]), made("b", []), made("c", ["Sales", "Sales"])];

it("a product of two use cases is in both, one without stands last", () => {
  expect(groupsOf(CARDS, "usecase").map(([title, of]) => [title, of.map((c) => c.name)])).toEqual([
    ["Audit", ["a"]],
    ["Sales", ["a", "c"]],
    [OTHERS, ["b"]],
  ]);
});

it("cards fill lines of their group only, and a closed group has its head alone", () => {
  const rows = rowsOf(CARDS, "usecase", 2, new Set(["Audit"]));
  expect(rows.map((r) => (r.kind === "head" ? `${r.title} ${r.count}` : r.cards.map((c) => c.name).join(",")))).toEqual(
    ["Audit 1", "Sales 2", "a,c", `${OTHERS} 1`, "b"],
  );
});

it("without groups there are lines of cards", () => {
  expect(rowsOf(CARDS, "none", 2).map((r) => (r.kind === "cards" ? r.cards.length : 0))).toEqual([2, 1]);
});

it("ids are unique and stay, however many there are", () => {
  const many = Array.from({ length: 2000 }, (_, i) => made(`p${i}`, [`case ${i % 40}`, `case ${i % 7}`]));
  const rows = rowsOf(many, "usecase", 3);
  expect(new Set(rows.map((r) => r.id)).size).toBe(rows.length);
});
