import { expect, it } from "vitest";

import { readDocuments } from "./documents";

const TEXT = "name: a\npolicy:\n  access:\n    tags:\n      - x\n      - y\n---\nname: b\nallow: true\n";

it("reads every document", () => {
  const { documents, faults } = readDocuments(TEXT);
  expect(documents.map((document) => document.name)).toEqual(["a", "b"]);
  expect(faults).toEqual([]);
  expect(readDocuments("\n").documents).toEqual([]);
});
it("says where a text is no YAML, or no mapping", () => {
  expect(readDocuments("name: a\n  b: c\n").faults[0]).toMatchObject({ code: "manifest.yaml", line: 1 });
  expect(readDocuments("- a\n").faults[0]).toMatchObject({ line: 1, column: 1 });
});
it("finds the line of a problem by its path and document", () => {
  const { place } = readDocuments(TEXT);
  const problem = { code: "x", message: "m" };
  expect(place({ ...problem, name: "a", path: "policy.access.tags[1]" })).toMatchObject({ line: 6, column: 9 });
  expect(place({ ...problem, name: "a", path: "policy.access.nothing.there" })).toMatchObject({ line: 4, column: 5 });
  expect(place({ ...problem, name: "b", path: "allow" })).toMatchObject({ line: 9, column: 8 });
  expect(place({ ...problem, path: "allow" }).line).toBeUndefined();
});
it("keeps texts that only look like numbers", () => {
  const [document] = readDocuments("a: 007\nb: 7.10\nc: 7\nd: 1.5\ne: yes\nf: true\n").documents;
  expect(document).toEqual({ a: "007", b: "7.10", c: 7, d: 1.5, e: "yes", f: true });
});
