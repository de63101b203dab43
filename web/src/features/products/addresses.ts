/** Where a dataset is, as SQL names it. */
export interface Place {
  depot: string;
  collection: string;
  dataset: string;
}

/** The parts of `dataos://depot:collection/dataset`; null for what is no single dataset. */
export function placeOf(address: string): Place | null {
  const found = /^dataos:\/\/([^:/?#]+):([^/?#]+)\/([^?#]+)/.exec(address);
  if (found === null) return null;
  const [, depot = "", collection = "", dataset = ""] = found;
  return { depot, collection, dataset };
}

/** A name in SQL, whatever it holds. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A dataset in SQL. */
export const tableOf = ({ depot, collection, dataset }: Place): string =>
  [depot, collection, dataset].map(quoted).join(".");

/** The first rows of a dataset: only columns that one may know, by name, since `*` is refused where one is denied. */
export function sampleSql(place: Place, columns: readonly string[], rows: number): string {
  const list = columns.length > 0 ? columns.map(quoted).join(", ") : "*";
  return `SELECT ${list}\nFROM ${tableOf(place)}\nLIMIT ${rows}`;
}

/** The Workbench with a statement in it. */
export const workbenchLink = (sql: string): string => `/workbench?${new URLSearchParams({ sql }).toString()}`;
