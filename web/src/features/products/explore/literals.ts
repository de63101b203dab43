import type { Family } from "./families";

/** A text in SQL, whatever it holds. */
export const textLiteral = (value: string): string => `'${value.replaceAll("'", "''")}'`;

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const MOMENT = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2})(?::(\d{2}(?:\.\d{1,6})?))?)?$/;
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

/** A value that somebody typed, as a literal of a column's family; null: it is none. */
export function literalOf(family: Family, typed: string): string | null {
  const value = typed.trim();
  switch (family) {
    case "number":
      return NUMBER.test(value) ? value : null;
    case "truth": {
      const lower = value.toLowerCase();
      if (["true", "yes"].includes(lower)) return "TRUE";
      return ["false", "no"].includes(lower) ? "FALSE" : null;
    }
    case "date":
      return DATE.test(value) && isDay(value) ? `DATE '${value}'` : null;
    case "moment": {
      const found = MOMENT.exec(value);
      if (found === null || !isDay(found[1] ?? "")) return null;
      return `TIMESTAMP '${found[1] ?? ""} ${found[2] ?? "00:00"}:${found[3] ?? "00"}'`;
    }
    case "text":
    case "other":
      return textLiteral(typed);
  }
}

/** Whether there is such a day: the 30th of February has the form of one. */
function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
