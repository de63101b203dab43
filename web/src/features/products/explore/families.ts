/** What can be done with the values of a column. */
export type Family = "number" | "text" | "truth" | "date" | "moment" | "other";

const NUMBERS =
  /^(tinyint|smallint|integer|int\d*|uint\d*|bigint|long|short|byte|float\d*|double|real|decimal|numeric|number|hugeint|serial|bigserial|money)\b/;

/** The family of a type, as the catalog or a source's database calls it. */
export function familyOf(type: string): Family {
  const text = type.trim().toLowerCase();
  if (/[<[]|^(array|map|row|struct|list|json)\b/.test(text)) return "other";
  if (NUMBERS.test(text)) return "number";
  if (/^(varchar|char|character|string|text|nvarchar|enum|longtext|mediumtext)\b/.test(text)) return "text";
  if (text.startsWith("bool")) return "truth";
  if (/^(timestamp|datetime)/.test(text)) return "moment";
  return text === "date" ? "date" : "other";
}
