import { namesOf } from "./names";

/** A table that a statement names, and what it calls it. */
export interface Named {
  path: string[];
  alias: string | null;
}

const NAME = String.raw`(?:"(?:[^"]|"")*"|[A-Za-z_][\w$]*)`;
const TABLE = new RegExp(
  String.raw`\b(?:from|join|into|update|describe|table)\s+(${NAME}(?:\s*\.\s*${NAME})*)(?:\s+(?:as\s+)?(${NAME}))?`,
  "gi",
);
const PATH = new RegExp(String.raw`(?:${NAME}\s*\.\s*)*(?:"(?:[^"]|"")*|[A-Za-z_][\w$]*)?$`);
const NO_ALIAS = new Set(
  "on using where join left right inner full cross natural group order having limit offset union intersect except set values select fetch window for tablesample when".split(
    " ",
  ),
);

/** Tables that a statement reads or writes, as far as can be told from its words. */
export function tablesIn(sql: string): Named[] {
  return [...sql.matchAll(TABLE)].map(([, path = "", alias]) => ({
    path: namesOf(path),
    alias: alias === undefined || NO_ALIAS.has(alias.toLowerCase()) ? null : (namesOf(alias)[0] ?? null),
  }));
}

/** The dotted path that is being written before the cursor: names that are whole, and the beginning of the last. */
export function pathBefore(line: string): { before: string[]; length: number } {
  const found = PATH.exec(line)?.[0] ?? "";
  const names = namesOf(found);
  const last = /(?:"(?:[^"]|"")*|[\w$]*)$/.exec(found)?.[0] ?? "";
  return { before: names.slice(0, -1), length: last.length };
}

interface Default {
  catalog: string | null;
  schema: string | null;
}

/** A table's full path, as the session completes it; null while that is not known. */
export function fullPath(path: readonly string[], session: Default | null): string[] | null {
  if (path.length >= 3) return path.slice(0, 3);
  const before = [session?.catalog ?? null, session?.schema ?? null].slice(0, 3 - path.length);
  if (before.length + path.length !== 3 || before.some((name) => name === null)) return null;
  return [...(before as string[]), ...path];
}
