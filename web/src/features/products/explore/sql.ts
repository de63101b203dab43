import { placeOf, quoted, tableOf } from "../addresses";
import type { Choices, Filter, Grouping, Measure } from "./choices";
import { familyOf, type Family } from "./families";
import { literalOf, textLiteral } from "./literals";

/** A column of the dataset as far as the reader may know it. */
export interface Known {
  name: string;
  type: string;
}

/** A column of the answer. */
export interface Part {
  title: string;
  sql: string;
}

export type Built = { sql: string; groups: string[]; measures: string[] } | { faults: string[] };

const LIMIT = 1_000;
const COMPARED: Partial<Record<Filter["is"], string>> = { eq: "=", lt: "<", le: "<=", gt: ">", ge: ">=" };

/** Names of what an answer is made of, before it is asked: for ordering by one of them. */
export function partsOf(choices: Choices): { groups: Part[]; measures: Part[] } {
  const groups = (choices.groups ?? []).map(groupPart);
  const wanted = choices.measures ?? (groups.length > 0 ? [{ how: "count" } as const] : []);
  return { groups: unique(groups), measures: unique(wanted.map(measurePart)) };
}

/**
 * The statement that choices stand for. Every name is quoted and must be a column of the dataset, every value is a
 * literal of its column's kind: nothing of an address, or of what somebody typed, is ever read as SQL.
 */
export function sqlOf(choices: Choices, address: string, columns: readonly Known[]): Built {
  const place = placeOf(address);
  if (place === null) return { faults: ["This address cannot be asked by SQL."] };
  const families = new Map(columns.map(({ name, type }) => [name, familyOf(type)]));
  const { groups, measures } = partsOf(choices);
  const used = [
    ...(choices.groups ?? []).map(({ column }) => column),
    ...(choices.measures ?? []).flatMap(({ column }) => column ?? []),
    ...(choices.filters ?? []).map(({ column }) => column),
    ...(groups.length + measures.length === 0 ? (choices.columns ?? []) : []),
  ];
  const faults = [...new Set(used)].filter((name) => !families.has(name)).map((name) => `There is no column ${name}.`);
  const conditions: string[] = [];
  for (const filter of choices.filters ?? []) {
    const family = families.get(filter.column);
    if (family === undefined) continue;
    const condition = conditionOf(filter, family);
    if (condition === null) faults.push(`“${filter.value ?? ""}” is no value for ${filter.column}.`);
    else conditions.push(condition);
  }
  if (faults.length > 0) return { faults };
  const together = groups.length + measures.length > 0;
  const names = choices.columns ?? columns.map(({ name }) => name);
  const parts = together ? [...groups, ...measures] : names.map((name) => ({ title: name, sql: quoted(name) }));
  if (parts.length === 0) return { faults: ["Nothing is known of its columns."] };
  const lines = [
    `SELECT ${parts.map(({ title, sql }) => (sql === quoted(title) ? sql : `${sql} AS ${quoted(title)}`)).join(", ")}`,
    `FROM ${tableOf(place)}`,
    ...(conditions.length > 0 ? [`WHERE ${conditions.join("\n  AND ")}`] : []),
    ...(groups.length > 0 ? [`GROUP BY ${groups.map(({ sql }) => sql).join(", ")}`] : []),
    ...orderOf(choices, parts, groups),
    `LIMIT ${choices.limit ?? LIMIT}`,
  ];
  return {
    sql: lines.join("\n"),
    groups: groups.map(({ title }) => title),
    measures: measures.map(({ title }) => title),
  };
}

function orderOf(choices: Choices, parts: readonly Part[], groups: readonly Part[]): string[] {
  const chosen = parts.find(({ title }) => title === choices.order);
  if (chosen !== undefined) return [`ORDER BY ${chosen.sql}${choices.descending === true ? " DESC" : ""}`];
  return groups.length > 0 ? [`ORDER BY ${groups.map(({ sql }) => sql).join(", ")}`] : [];
}

function groupPart({ column, by }: Grouping): Part {
  if (by === undefined) return { title: column, sql: quoted(column) };
  return { title: `${column} by ${by}`, sql: `date_trunc('${by}', ${quoted(column)})` };
}

function measurePart({ how, column }: Measure): Part {
  if (column === undefined) return { title: "rows", sql: "count(*)" };
  const name = quoted(column);
  if (how === "distinct") return { title: `different ${column}`, sql: `count(DISTINCT ${name})` };
  const words = { count: "filled", sum: "sum of", avg: "average of", min: "least", max: "greatest" } as const;
  return { title: `${words[how]} ${column}`, sql: `${how}(${name})` };
}

const unique = (parts: readonly Part[]): Part[] => [...new Map(parts.map((part) => [part.title, part])).values()];

/** Null: what was typed is no value of the column. What has no value fits only where that is asked for. */
function conditionOf({ column, is, value = "" }: Filter, family: Family): string | null {
  const name = quoted(column);
  if (is === "empty") return `${name} IS NULL`;
  if (is === "filled") return `${name} IS NOT NULL`;
  if (is === "has" || is === "begins") {
    // a sign of its own to escape with: `\` means something in texts of some sources
    const pattern = value.toLowerCase().replaceAll(/[!%_]/g, (sign) => `!${sign}`);
    return `lower(${name}) LIKE ${textLiteral(`${is === "has" ? "%" : ""}${pattern}%`)} ESCAPE '!'`;
  }
  const literal = literalOf(family, value);
  if (literal === null) return null;
  // "is not red" holds of what has no colour too, for people who do not think in NULL
  if (is === "ne") return `(${name} <> ${literal} OR ${name} IS NULL)`;
  return `${name} ${COMPARED[is] ?? "="} ${literal}`;
}
