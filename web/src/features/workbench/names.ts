/** Names that need no quotes and mean themselves: small letters, digits, underscores, no word of the grammar. */
const PLAIN = /^[a-z_][a-z0-9_]*$/;
const RESERVED = new Set(
  (
    "alter and as between by case cast constraint create cross cube current_catalog current_date current_path " +
    "current_role current_schema current_time current_timestamp current_user deallocate delete describe distinct drop " +
    "else end escape except execute exists extract false for from full group grouping having in inner insert " +
    "intersect into is join json_array json_exists json_object json_query json_table json_value left like listagg " +
    "localtime localtimestamp natural normalize not null on or order outer prepare recursive right rollup select " +
    "skip table then trim true uescape union unnest using values when where with"
  ).split(" "),
);

/** A name as it stands in a statement. */
export function quoted(name: string): string {
  return PLAIN.test(name) && !RESERVED.has(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** Several names with points between them. */
export const dotted = (...names: string[]): string => names.map(quoted).join(".");

/** A text as it stands in a statement. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The names of a dotted path, quotes taken off; the last may be unfinished: `lakehouse."my sche`. */
export function namesOf(path: string): string[] {
  const found: string[] = [];
  const part = /\s*(?:"((?:[^"]|"")*)"?|([^".\s]*))\s*(\.|$)/y;
  while (part.lastIndex < path.length || found.length === 0) {
    const match = part.exec(path);
    if (match === null) return found;
    found.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] !== ".") return found;
    if (part.lastIndex >= path.length) return [...found, ""];
  }
  return found;
}
