import type { Series } from "@/components/Chart";
import { numberOf } from "@/lib/numbers";
import { isNumeric, textOf } from "./values";

interface Column {
  name: string;
  type: string;
}

/** What a chart shows: positions of columns. */
export interface Choice {
  kind: "bar" | "line";
  category: number;
  values: number[];
}

/** A chart to begin with: the first column that is no number against the first that are; null if none is a number. */
export function firstChoice(columns: readonly Column[]): Choice | null {
  const numbers = columns.flatMap(({ type }, position) => (isNumeric(type) ? [position] : []));
  const other = columns.findIndex(({ type }) => !isNumeric(type));
  const category = other >= 0 ? other : 0;
  const values = numbers.filter((position) => position !== category).slice(0, 1);
  const chosen = values.length > 0 ? values : numbers.slice(0, 1);
  if (chosen.length === 0) return null;
  const dated = /^(date|timestamp)/.test(columns[category]?.type ?? "");
  return { kind: dated ? "line" : "bar", category, values: chosen };
}

/** Rows as a chart takes them. What is no number leaves a gap. */
export function seriesOf(
  columns: readonly Column[],
  rows: readonly unknown[][],
  choice: Choice,
): { categories: string[]; series: Series[] } {
  return {
    categories: rows.map((row) => textOf(row[choice.category])),
    series: choice.values.map((position) => ({
      name: columns[position]?.name ?? "",
      values: rows.map((row) => numberOf(row[position])),
    })),
  };
}
