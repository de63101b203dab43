/** Reads what stands in an address, which anybody may have written: texts, or nothing. */
export const word = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** As `word`, of a list; none if it holds no text. */
export function words(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const found = value.filter((item) => typeof item === "string");
  return found.length > 0 ? found : undefined;
}
