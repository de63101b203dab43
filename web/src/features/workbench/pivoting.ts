import { isNumeric, textOf } from "./values";

export type Aggregate = "count" | "sum" | "average" | "least" | "greatest";

/** What is put where: positions of columns. Without `across` there is one column, of totals. */
export interface Pivot {
  down: number[];
  across: number | null;
  aggregate: Aggregate;
  /** What is aggregated; not asked for a count. */
  value: number | null;
}

/** A table of groups. Totals are computed of the rows, not of what is shown. */
export interface Pivoted {
  heads: string[];
  lines: { labels: string[]; cells: (number | null)[]; total: number | null }[];
  totals: (number | null)[];
  total: number | null;
}

/** A pivot to begin with: how many rows each value of the first column that is no number has. */
export function firstPivot(columns: readonly { type: string }[]): Pivot {
  const down = Math.max(
    columns.findIndex(({ type }) => !isNumeric(type)),
    0,
  );
  const number = columns.findIndex(({ type }, position) => position !== down && isNumeric(type));
  return { down: [down], across: null, aggregate: "count", value: number < 0 ? null : number };
}

const SEPARATOR = "\u0000";
const order = new Intl.Collator("en", { numeric: true });

/** Rows grouped down and across. A group without a number has none (null), a count without rows is 0. */
export function pivotOf(rows: readonly unknown[][], pivot: Pivot): Pivoted {
  const labelsOf = (row: readonly unknown[]): string[] => pivot.down.map((position) => textOf(row[position]));
  const headOf = (row: readonly unknown[]): string => (pivot.across === null ? "" : textOf(row[pivot.across]));
  const groups = new Map<string, { labels: string[]; all: Group }>();
  const whole = groupOf();
  for (const row of rows) {
    const labels = labelsOf(row);
    const key = labels.join(SEPARATOR);
    const group = groups.get(key) ?? { labels, all: groupOf() };
    groups.set(key, group);
    for (const one of [group.all, whole]) put(one, headOf(row), row);
  }
  const heads = pivot.across === null ? [] : [...whole.by.keys()].sort(order.compare);
  const over = (some: readonly unknown[][]): number | null => aggregateOf(some, pivot);
  const cells = (group: Group): (number | null)[] => heads.map((head) => over(group.by.get(head) ?? []));
  const lines = [...groups.values()]
    .sort((a, b) => order.compare(a.labels.join(SEPARATOR), b.labels.join(SEPARATOR)))
    .map(({ labels, all }) => ({ labels, cells: cells(all), total: over(all.rows) }));
  return { heads, lines, totals: cells(whole), total: over(rows) };
}

/** Rows, and the same by what stands across. */
interface Group {
  rows: unknown[][];
  by: Map<string, unknown[][]>;
}

const groupOf = (): Group => ({ rows: [], by: new Map() });

function put(group: Group, head: string, row: unknown[]): void {
  group.rows.push(row);
  const same = group.by.get(head);
  if (same === undefined) group.by.set(head, [row]);
  else same.push(row);
}

function aggregateOf(rows: readonly unknown[][], { aggregate, value }: Pivot): number | null {
  if (aggregate === "count") return rows.length;
  const numbers = rows.flatMap((row) => numberOf(value === null ? null : row[value]));
  if (numbers.length === 0) return null;
  const sum = numbers.reduce((a, b) => a + b, 0);
  switch (aggregate) {
    case "sum":
      return sum;
    case "average":
      return sum / numbers.length;
    case "least":
      return numbers.reduce((a, b) => Math.min(a, b));
    case "greatest":
      return numbers.reduce((a, b) => Math.max(a, b));
  }
}

/** Decimals come as texts. */
function numberOf(value: unknown): number[] {
  if (typeof value !== "number" && (typeof value !== "string" || value.trim() === "")) return [];
  const number = Number(value);
  return Number.isFinite(number) ? [number] : [];
}
