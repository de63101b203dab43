import { Text } from "@codemirror/state";
import { expect, it } from "vitest";

import { marksOf } from "./marks";

const doc = Text.of(["name: crm", "type: depott", ""]);

it("marks the word at line and column", () => {
  const [mark] = marksOf(doc, [{ code: "x", message: "m", hint: "h", line: 2, column: 7 }]);
  expect(doc.sliceString(mark?.from ?? 0, mark?.to)).toBe("depott");
  expect(mark?.message).toBe("m\nh");
});

it("stays inside the text whatever it is told, and leaves out what has no line", () => {
  const marks = marksOf(doc, [
    { code: "x", message: "no line" },
    { code: "x", message: "far", line: 99, column: 99 },
    { code: "x", message: "wide", line: 1, column: 99 },
  ]);
  expect(marks).toHaveLength(2);
  for (const mark of marks) expect(mark.from >= 0 && mark.from <= mark.to && mark.to <= doc.length).toBe(true);
});
