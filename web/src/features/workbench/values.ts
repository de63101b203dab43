/** A cell's value as people read it; NULL has no text of its own. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

/** Whether a type's values are numbers. */
export const isNumeric = (type: string): boolean =>
  /^(tinyint|smallint|integer|bigint|real|double|decimal)\b/.test(type);

interface Source {
  source?: string;
}

/**
 * JSON with whole numbers that no JavaScript number holds kept as texts: 64-bit keys must not change their last digits.
 * Browsers that do not tell the source round them as JSON.parse does.
 */
export function parseExactly(text: string): unknown {
  const keep = (_: string, value: unknown, context?: Source): unknown =>
    typeof value === "number" && !Number.isSafeInteger(value) && Number.isInteger(value)
      ? (context?.source ?? value)
      : value;
  return JSON.parse(text, keep) as unknown;
}

const CHARACTER = 7.4;
const PADDING = 28;
const LEAST = 72;
const MOST = 380;

/** Widths of columns (px): by their heads, and by the first rows as far as these are there. */
export function widthsOf(columns: readonly { name: string; type: string }[], rows: readonly unknown[][]): number[] {
  return columns.map(({ name, type }, position) => {
    const seen = rows.slice(0, 100).map((row) => textOf(row[position]).length);
    const longest = Math.max(name.length, type.length * 0.86, ...seen);
    return Math.round(Math.min(Math.max(longest * CHARACTER + PADDING, LEAST), MOST));
  });
}

/** "0.4 s", "12 s", "3:07". */
export function lasted(milliseconds: number): string {
  const seconds = Math.max(milliseconds, 0) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

const whole = new Intl.NumberFormat("en");

/** "1 row", "12,345 rows". */
export const counted = (count: number, word: string): string =>
  `${whole.format(count)} ${word}${count === 1 ? "" : "s"}`;
