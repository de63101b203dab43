/** Is the text a part of one of the fields? Letter case does not count; nothing is a part of everything. */
export function says(text: string | undefined, ...fields: readonly string[]): boolean {
  const wanted = text?.trim().toLowerCase() ?? "";
  return wanted === "" || fields.some((field) => field.toLowerCase().includes(wanted));
}

/** Has a row one of the chosen values? Any, if none is chosen. */
export function hasOne(chosen: readonly string[] | undefined, ...values: readonly string[]): boolean {
  return chosen === undefined || values.some((value) => chosen.includes(value));
}
