import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

import { shellQuoted, snippetsOf } from "./snippets";

const SQL = `SELECT "it's", "a""b"\nFROM "lake"."r$(id)"."\`x\`"\nLIMIT 20`;

it.each(["plain", "it's", '$(id) `id` \\ "', "a\nb", ""])("a shell takes %j as it is", (text) => {
  expect(execFileSync("sh", ["-c", `printf %s ${shellQuoted(text)}`], { encoding: "utf-8" })).toBe(text);
});

it("the statement reaches the server whole, by every way", () => {
  const line = SQL.replaceAll("\n", " ");
  const [http, python, cli] = snippetsOf("https://data.example.org", "uma", SQL);
  const asked = execFileSync("sh", ["-c", (http?.code ?? "").replace("curl", "printf '%s\\n'")], { encoding: "utf-8" });
  expect(asked).toContain(JSON.stringify({ sql: line }));
  expect(asked).toContain("https://data.example.org/api/v1/query");
  expect(python?.code).toContain(JSON.stringify(line));
  const said = execFileSync("sh", ["-c", (cli?.code ?? "").replace("dataos query", "printf %s")], {
    encoding: "utf-8",
  });
  expect(said).toBe(line);
  expect(cli?.code).toContain("DATAOS_FQDN='https://data.example.org'");
});
