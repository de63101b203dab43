import { secondsFrom } from "@/lib/durations";
import type { Statement } from "./queries";
import type { QueriesSearch } from "./routes";

type Told = Pick<Statement, "state" | "created" | "finished" | "timings">;

/** Does it wait or run? */
export const isUnderWay = ({ state }: Pick<Statement, "state">): boolean => state === "queued" || state === "running";

/** Seconds that it took, or takes until now. */
export function secondsOf(statement: Told, now: Date): number {
  return (
    statement.timings.end ?? statement.timings.failed ?? secondsFrom(statement.created, statement.finished, now) ?? 0
  );
}

const WORDS: Record<string, string> = {
  admitted: "Waited for its turn",
  planned: "Checked and planned",
  started: "Run until its first rows",
  end: "Rows sent",
  failed: "Until it failed",
};

/** One step of a statement's way: seconds since it came when it was done, and how long it took by itself. */
export interface Step {
  name: string;
  at: number;
  took: number;
}

/** Steps in their order. The server says when each was done, since the statement came. */
export function stepsOf(timings: Readonly<Record<string, number>>): Step[] {
  const sorted = Object.entries(timings).sort(([, a], [, b]) => a - b);
  return sorted.map(([name, at], position) => ({
    name: WORDS[name] ?? name,
    at,
    took: at - (sorted[position - 1]?.[1] ?? 0),
  }));
}

/** One line of a statement's text. */
export const lineOf = (sql: string): string => sql.replace(/\s+/g, " ").trim();

type Key = "user" | "state" | "cluster";

export const FILTERS: readonly { key: Key; label: string; of: (statement: Statement) => string }[] = [
  { key: "user", label: "User", of: (s) => s.user },
  { key: "state", label: "State", of: (s) => s.state },
  { key: "cluster", label: "Cluster", of: (s) => s.cluster },
];

/** What search and filters leave. */
export function chosenOf(statements: readonly Statement[], search: QueriesSearch, now: Date): Statement[] {
  const text = search.q?.trim().toLowerCase() ?? "";
  const { longer } = search;
  return statements.filter(
    (statement) =>
      (text === "" || statement.sql.toLowerCase().includes(text) || statement.id === text) &&
      (longer === undefined || secondsOf(statement, now) >= longer) &&
      FILTERS.every(({ key, of }) => search[key] === undefined || search[key].includes(of(statement))),
  );
}
