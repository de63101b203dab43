import { expect, it } from "vitest";

import { word, words } from "./searching";

it("takes texts from an address and nothing else", () => {
  expect([word("a"), word(""), word(1), word(null)]).toEqual(["a", undefined, undefined, undefined]);
  expect([words(["a", 1, "b"]), words([]), words("a"), words([{}])]).toEqual([
    ["a", "b"],
    undefined,
    undefined,
    undefined,
  ]);
});
