import { expect, it } from "vitest";

import { words } from "@/lib/searching";
import { count, oneOf, word } from "./searching";

it("takes words, also those that look like numbers", () => {
  expect(["ida", 12, "", null, ["a"]].map(word)).toEqual(["ida", "12", undefined, undefined, undefined]);
});
it("takes lists of words, and nothing for empty ones", () => {
  expect([["a", 1, "b"], [], "a"].map(words)).toEqual([["a", "b"], undefined, undefined]);
});
it("takes whole numbers", () => {
  expect([3, 0, -1, 1.5, "3"].map(count)).toEqual([3, 0, undefined, undefined, undefined]);
});
it("takes one of some words", () => {
  expect(["open", "shut"].map(oneOf("open", "closed"))).toEqual(["open", undefined]);
});
