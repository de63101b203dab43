import { numberOf } from "@/lib/numbers";
import { textOf } from "../values";

export interface Drawn {
  categories: string[];
  series: { name: string; values: (number | null)[] }[];
  /** Values of the second group that are not drawn. */
  left: number;
}

/** As many lines as one can tell apart. */
const MOST = 8;
const NOTHING = "(empty)";
const label = (value: unknown): string => (value === null || value === undefined ? NOTHING : textOf(value));

/**
 * An answer of groups and measures as lines over categories. One group: a line for each measure. Two: the first are the
 * categories, each value of the second is a line of the first measure.
 */
export function drawnOf(rows: readonly (readonly unknown[])[], groups: number, measures: readonly string[]): Drawn {
  if (groups < 2) {
    const categories = rows.map((row) => (groups === 0 ? "all" : label(row[0])));
    const series = measures.map((name, at) => ({ name, values: rows.map((row) => numberOf(row[groups + at])) }));
    return { categories, series, left: 0 };
  }
  const categories = [...new Set(rows.map((row) => label(row[0])))];
  const places = new Map(categories.map((name, at) => [name, at]));
  const names = [...new Set(rows.map((row) => label(row[1])))];
  const lines = new Map<string, (number | null)[]>(
    names.slice(0, MOST).map((name) => [name, categories.map((): number | null => null)]),
  );
  for (const row of rows) {
    const line = lines.get(label(row[1]));
    const place = places.get(label(row[0]));
    if (line !== undefined && place !== undefined) line[place] = numberOf(row[groups]);
  }
  const series = [...lines].map(([name, values]) => ({ name, values }));
  return { categories, series, left: Math.max(0, names.length - MOST) };
}
