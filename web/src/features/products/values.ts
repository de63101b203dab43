/** A value of an answer as text: nested ones as JSON. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

/** What a column of values sorts by: numbers as such, all else by its text. */
export const cellOf = (value: unknown): string | number => (typeof value === "number" ? value : textOf(value));
