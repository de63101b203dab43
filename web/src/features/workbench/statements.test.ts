import { describe, expect, it } from "vitest";

import { changesCatalog, hasPlan, splitStatements, statementAt, statementsWithin } from "./statements";

const texts = (text: string): string[] => splitStatements(text).map((span) => span.sql);

describe("splitStatements", () => {
  it("cuts at semicolons and leaves out what is around", () => {
    expect(texts("  SELECT 1 ;\n\nSELECT 2;;  ; SELECT 3  ")).toEqual(["SELECT 1", "SELECT 2", "SELECT 3"]);
    expect(texts("")).toEqual([]);
    expect(texts(" ;\n; ")).toEqual([]);
  });

  it("does not cut in texts and quoted names", () => {
    expect(texts(`SELECT 'a;b', 'it''s;', "c;""d", \`e;f\`; SELECT 2`)).toEqual([
      `SELECT 'a;b', 'it''s;', "c;""d", \`e;f\``,
      "SELECT 2",
    ]);
    expect(texts("SELECT '--', '/*'; SELECT 2")).toEqual(["SELECT '--', '/*'", "SELECT 2"]);
    expect(texts("SELECT '' ; SELECT ''''")).toEqual(["SELECT ''", "SELECT ''''"]);
  });

  it("does not cut in comments, and takes none for a statement", () => {
    expect(texts("SELECT 1 -- one; two\n + 2; SELECT /* ; ' */ 3")).toEqual([
      "SELECT 1 -- one; two\n + 2",
      "SELECT /* ; ' */ 3",
    ]);
    expect(texts("-- nothing; here\n/* nor; here */")).toEqual([]);
    expect(texts("SELECT 1; -- the end")).toEqual(["SELECT 1"]);
    expect(texts("-- why\nSELECT 1;")).toEqual(["-- why\nSELECT 1"]);
  });

  it("lets what is unfinished go on to the end", () => {
    expect(texts("SELECT 'a; SELECT 2")).toEqual(["SELECT 'a; SELECT 2"]);
    expect(texts("SELECT 1 /* ; SELECT 2")).toEqual(["SELECT 1"]);
    expect(texts("SELECT 1 -")).toEqual(["SELECT 1 -"]);
  });

  it("tells where each stands", () => {
    const text = "SELECT 1;\n  SELECT 2 ;";
    for (const { from, to, sql } of splitStatements(text)) expect(text.slice(from, to)).toBe(sql);
    expect(splitStatements(text).map((s) => s.from)).toEqual([0, 12]);
  });
});

describe("statementAt", () => {
  const text = "SELECT 1;  \n\nSELECT 2;\n";
  it.each([
    [0, "SELECT 1"],
    [8, "SELECT 1"],
    [10, "SELECT 1"],
    [12, "SELECT 2"],
    [15, "SELECT 2"],
    [text.length, "SELECT 2"],
  ])("at %i it is %s", (position, sql) => {
    expect(statementAt(text, position)?.sql).toBe(sql);
  });

  it("is none in a text without one", () => {
    expect(statementAt("-- nothing", 3)).toBeNull();
  });
});

it("a part's statements stand at their places in the whole", () => {
  const text = "SELECT 1; SELECT 2; SELECT 3";
  expect(statementsWithin(text, 9, 19)).toEqual([{ from: 10, to: 18, sql: "SELECT 2" }]);
});

it("knows what can be planned and what changes the catalog", () => {
  expect(hasPlan("-- c\nWITH a AS (SELECT 1) SELECT * FROM a")).toBe(true);
  expect(hasPlan("/* c */ (SELECT 1)")).toBe(true);
  expect(hasPlan("SHOW TABLES")).toBe(false);
  expect(hasPlan("EXPLAIN SELECT 1")).toBe(false);
  expect(changesCatalog("create table t (a int)")).toBe(true);
  expect(changesCatalog("INSERT INTO t SELECT 1")).toBe(false);
});
