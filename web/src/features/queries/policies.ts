/** What policies did to one table of a statement, as the server wrote it down. */
export interface TableDecision {
  catalog: string;
  schema: string;
  table: string;
  allowed: boolean;
  policies: readonly string[];
  masks: readonly { column: string; mask: string; policy: string }[];
  filters: readonly { filter: string; column: string; policy: string }[];
  denied: readonly string[];
}

/** One line: what happened to which part of a table, and by which policy. */
export interface Effect {
  table: string;
  what: string;
  on: string;
  how: string;
  policy: string;
}

/** Everything that policies did to the tables of a statement. */
export function effectsOf(tables: readonly Record<string, unknown>[]): Effect[] {
  return (tables as unknown as readonly TableDecision[]).flatMap((decision) => {
    const table = `${decision.catalog}.${decision.schema}.${decision.table}`;
    const access: Effect = {
      table,
      what: decision.allowed ? "allowed" : "denied",
      on: "the table",
      how: "",
      policy: decision.policies.join(", "),
    };
    return [
      access,
      ...decision.filters.map((f) => ({ table, what: "filtered", on: f.column, how: f.filter, policy: f.policy })),
      ...decision.masks.map((m) => ({ table, what: "masked", on: m.column, how: m.mask, policy: m.policy })),
      ...decision.denied.map((on) => ({ table, what: "denied", on, how: "", policy: "" })),
    ];
  });
}
