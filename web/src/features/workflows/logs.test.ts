import { expect, it } from "vitest";

import { foundIn, joined, linesOf, offsetsOf, piecesOf } from "./logs";

const piece = (attempt: string, text: string, next: number) => ({ node: "a-execute", attempt, text, next });

it("goes on from where each attempt's log was, and takes new attempts in", () => {
  const first = joined(undefined, { nodes: [piece("one", "a\n", 2)] });
  expect(offsetsOf(first)).toEqual({ one: 2 });
  const second = joined(first, { nodes: [piece("one", "", 2), piece("two", "b\n", 2)] });
  const third = joined(second, { nodes: [piece("one", "c\n", 4), piece("two", "", 2)] });
  expect(third.attempts).toEqual({ one: { text: "a\nc\n", next: 4 }, two: { text: "b\n", next: 2 } });
  expect(first.attempts).toEqual({ one: { text: "a\n", next: 2 } });
  expect(offsetsOf(undefined)).toEqual({});
});

it("shows lines without colours, and none of nothing", () => {
  expect(linesOf("")).toEqual([]);
  expect(linesOf("\u001b[31mred\u001b[0m\r\n\nlast")).toEqual(["red", "", "last"]);
  expect(linesOf("one\n")).toEqual(["one"]);
});

it("finds lines whatever the case", () => {
  expect(foundIn(["Error: x", "fine", "an ERROR"], "error")).toEqual([0, 2]);
  expect(foundIn(["a"], "")).toEqual([]);
});

it("takes a line apart around what was found", () => {
  expect(piecesOf("an Error, error.", "ERROR")).toEqual(["an ", "Error", ", ", "error", "."]);
  expect(piecesOf("none", "x")).toEqual(["none"]);
  expect(piecesOf("none", "")).toEqual(["none"]);
  expect(piecesOf("İx", "x")).toEqual(["İx"]);
});
