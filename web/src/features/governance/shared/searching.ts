/** More readers of what stands in an address (lib/searching.ts): anything else than what is meant becomes undefined. */

/** As `word` there; the router reads a name of digits as a number. */
export const word = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : typeof value === "number" ? String(value) : undefined;

export const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;

/** One of some words. */
export const oneOf =
  <T extends string>(...known: readonly T[]) =>
  (value: unknown): T | undefined =>
    known.find((one) => one === value);
