import type { Statement } from "./queries";

type Told = Pick<Statement, "cluster" | "state" | "created" | "rows" | "timings">;

/** Statements of one cluster in a time. */
export interface ClusterUse {
  cluster: string;
  total: number;
  failed: number;
  cancelled: number;
  /** Of all statements, which part: 0 to 1. */
  share: number;
  /** Seconds within which half, and 95 of 100, of those that were finished ended; null: none was. */
  median: number | null;
  slow: number | null;
  rows: number;
}

const DAY_MS = 86_400_000;

/** Statements not older than so many days. */
export function since<T extends Pick<Statement, "created">>(statements: readonly T[], days: number, now: Date): T[] {
  const start = now.getTime() - days * DAY_MS;
  return statements.filter(({ created }) => new Date(created).getTime() >= start);
}

/** Clusters with what was asked of them, the busiest first. */
export function usesOf(statements: readonly Told[]): ClusterUse[] {
  const groups = new Map<string, Told[]>();
  for (const statement of statements) {
    const group = groups.get(statement.cluster);
    if (group === undefined) groups.set(statement.cluster, [statement]);
    else group.push(statement);
  }
  return [...groups]
    .map(([cluster, asked]): ClusterUse => {
      const times = asked.flatMap(({ state, timings }) =>
        state === "finished" && timings.end !== undefined ? [timings.end] : [],
      );
      times.sort((a, b) => a - b);
      const having = (state: string): number => asked.filter((s) => s.state === state).length;
      return {
        cluster,
        total: asked.length,
        failed: having("failed"),
        cancelled: having("cancelled"),
        share: asked.length / statements.length,
        median: atShare(times, 0.5),
        slow: atShare(times, 0.95),
        rows: asked.reduce((sum, { rows }) => sum + (rows ?? 0), 0),
      };
    })
    .sort((a, b) => b.total - a.total || a.cluster.localeCompare(b.cluster));
}

/** The smallest of sorted values that is not below so large a part of them. */
const atShare = (sorted: readonly number[], share: number): number | null =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null;

/** Each day of a time with how many statements did not fail, and how many failed. Days are the reader's. */
export interface Days {
  days: string[];
  well: number[];
  failed: number[];
}

const named = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export function daysOf(statements: readonly Told[], days: number, now: Date): Days {
  const starts = Array.from({ length: days }, (_, back) =>
    new Date(now.getFullYear(), now.getMonth(), now.getDate() - (days - 1 - back)).getTime(),
  );
  const well = starts.map(() => 0);
  const failed = starts.map(() => 0);
  for (const { created, state } of statements) {
    const at = new Date(created).getTime();
    const day = starts.findLastIndex((start) => start <= at);
    const counts = state === "failed" ? failed : well;
    if (day >= 0) counts[day] = (counts[day] ?? 0) + 1;
  }
  return { days: starts.map((start) => named.format(start)), well, failed };
}
