/** Each value with how many have it, by name; what has none is left out. */
export function countsOf<T>(things: readonly T[], of: (thing: T) => string | readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const value of things.flatMap(of)) {
    if (value !== "") counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a.localeCompare(b));
}
