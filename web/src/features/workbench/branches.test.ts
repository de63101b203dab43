import { expect, it } from "vitest";

import { keyOf, linesOf, type Below } from "./branches";

const known: Record<string, Below> = {
  [keyOf([])]: { items: [{ path: ["lake"] }, { path: ["shop"] }], failed: false },
  [keyOf(["lake"])]: { items: [{ path: ["lake", "retail"] }, { path: ["lake", "hr"] }], failed: false },
  [keyOf(["lake", "retail"])]: { items: [{ path: ["lake", "retail", "orders"] }], failed: false },
  [keyOf(["lake", "hr"])]: { items: [], failed: false },
};
const below = (path: readonly string[]): Below | undefined => known[keyOf(path)];
const names = (open: string[][], find = ""): string[] =>
  linesOf(below, new Set(open.map(keyOf)), find).map(
    (line) => `${" ".repeat(line.level - 1)}${line.branch.path.at(-1) ?? ""}${line.note ? ` (${line.note})` : ""}`,
  );

it("shows what is open", () => {
  expect(names([])).toEqual(["lake", "shop"]);
  expect(names([["lake"], ["lake", "hr"], ["shop"]])).toEqual(["lake", " retail", " hr (empty)", "shop (loading)"]);
});

it("a search leaves what has it, and what is above", () => {
  expect(names([], "ord")).toEqual(["lake", " retail", "  orders"]);
  expect(names([["lake"]], "LAKE")).toEqual(["lake", " retail", " hr"]);
  expect(names([], "nothing")).toEqual([]);
});
