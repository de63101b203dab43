/** One thing that a policy did to a table for who asks. */
export interface Note {
  table: string;
  column: string;
  effect: "allowed" | "filter" | "mask" | "denied";
  expression: string;
  policy: string;
}

interface Touched {
  catalog: string;
  schema: string;
  table: string;
  policies: string[];
  masks: { column: string; mask: string; policy: string }[];
  filters: { filter: string; column: string; policy: string }[];
  denied: string[];
}

/** From what the history tells of a statement's tables. */
export function notesOf(tables: readonly unknown[]): Note[] {
  return (tables as readonly Touched[]).flatMap((one) => {
    const table = `${one.catalog}.${one.schema}.${one.table}`;
    return [
      ...one.policies.map((policy) => note(table, "", "allowed", "", policy)),
      ...one.filters.map((f) => note(table, f.column, "filter", f.filter, f.policy)),
      ...one.masks.map((m) => note(table, m.column, "mask", m.mask, m.policy)),
      ...one.denied.map((column) => note(table, column, "denied", "", "")),
    ];
  });
}

/** From the rows of EXPLAIN (TYPE POLICY). */
export const notesOfRows = (rows: readonly unknown[][]): Note[] =>
  rows.map(([table, column, effect, expression, policy]) =>
    note(word(table), word(column), word(effect) as Note["effect"], word(expression), word(policy)),
  );

/** Whether something is hidden or changed: more than that a policy let the statement through. */
export const isTouched = (notes: readonly Note[]): boolean => notes.some(({ effect }) => effect !== "allowed");

const word = (value: unknown): string => (typeof value === "string" ? value : "");

function note(table: string, column: string, effect: Note["effect"], expression: string, policy: string): Note {
  return { table, column, effect, expression, policy };
}
