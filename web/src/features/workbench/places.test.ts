import { expect, it } from "vitest";

import { above, shifted } from "./places";

const at = (line?: number, column?: number) => ({ code: "query.syntax", message: "m", line, column });

it("a place in the message goes with what it was told for", () => {
  const problem = { code: "query.syntax", message: "line 2:3: no such column", line: 2, column: 3 };
  const there = { ...problem, message: "no such column" };
  expect(shifted([problem], "SELECT 1;\nSELECT", 10)).toEqual([{ ...there, line: 3 }]);
  expect(above([problem])).toEqual([{ ...there, line: 1 }]);
});

it("a problem's line is that of the whole text, its column too in the statement's first line", () => {
  const text = "SELECT 1;\n  SELECT x\nFROM y";
  const from = text.indexOf("SELECT x");
  expect(shifted([at(1, 8), at(2, 6), at()], text, from)).toEqual([at(2, 10), at(3, 6), at()]);
  expect(shifted([at(1, 8)], text, 0)).toEqual([at(1, 8)]);
});
