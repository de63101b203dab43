/** What somebody who reads no SQL asks of a dataset: kept in the address, and so read with distrust. */
export interface Choices {
  /** Address of the dataset. */
  data?: string;
  /** Columns to show; all if none. Without effect where rows are put together. */
  columns?: string[];
  groups?: Grouping[];
  measures?: Measure[];
  filters?: Filter[];
  /** What the answer is ordered by: the name of one of its columns. */
  order?: string;
  descending?: boolean;
  limit?: number;
  show?: Show;
}

export interface Grouping {
  column: string;
  /** Moments are put together by this span. */
  by?: Span;
}

export interface Measure {
  how: How;
  /** Of no column: rows are counted. */
  column?: string;
}

export interface Filter {
  column: string;
  is: Operator;
  value?: string;
}

export const SPANS = ["day", "week", "month", "quarter", "year"] as const;
export type Span = (typeof SPANS)[number];
export const HOWS = ["count", "distinct", "sum", "avg", "min", "max"] as const;
export type How = (typeof HOWS)[number];
export const OPERATORS = ["eq", "ne", "lt", "le", "gt", "ge", "has", "begins", "empty", "filled"] as const;
export type Operator = (typeof OPERATORS)[number];
export const SHOWS = ["table", "bar", "line"] as const;
export type Show = (typeof SHOWS)[number];
export const LIMITS = [100, 1_000, 10_000] as const;

type Raw = Record<string, unknown>;

const isRaw = (value: unknown): value is Raw => typeof value === "object" && value !== null && !Array.isArray(value);
const word = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
const oneOf = <T>(known: readonly T[], value: unknown): T | undefined => known.find((one) => one === value);
const each = <T>(value: unknown, read: (raw: Raw) => T | undefined): T[] | undefined => {
  if (!Array.isArray(value)) return undefined;
  const found = value.filter(isRaw).flatMap((raw) => read(raw) ?? []);
  return found.length > 0 ? found : undefined;
};

/** Choices of an address, without what is not understood. Undefined: nothing is chosen. */
export function readChoices(raw: unknown): Choices | undefined {
  if (!isRaw(raw)) return undefined;
  const columns = Array.isArray(raw.columns) ? raw.columns.filter((c) => typeof c === "string") : [];
  return {
    data: word(raw.data),
    columns: columns.length > 0 ? columns : undefined,
    groups: each(raw.groups, readGrouping),
    measures: each(raw.measures, readMeasure),
    filters: each(raw.filters, readFilter),
    order: word(raw.order),
    descending: raw.descending === true ? true : undefined,
    limit: oneOf(LIMITS, raw.limit),
    show: oneOf(SHOWS, raw.show),
  };
}

function readGrouping(raw: Raw): Grouping | undefined {
  const column = word(raw.column);
  return column === undefined ? undefined : { column, by: oneOf(SPANS, raw.by) };
}

function readMeasure(raw: Raw): Measure | undefined {
  const how = oneOf(HOWS, raw.how);
  const column = word(raw.column);
  return how === undefined || (column === undefined && how !== "count") ? undefined : { how, column };
}

function readFilter(raw: Raw): Filter | undefined {
  const column = word(raw.column);
  const is = oneOf(OPERATORS, raw.is);
  if (column === undefined || is === undefined) return undefined;
  return { column, is, value: typeof raw.value === "string" ? raw.value : undefined };
}
