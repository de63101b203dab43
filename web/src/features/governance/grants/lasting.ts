const HOUR_MS = 3_600_000;

/** How long a grant may last, in hours; empty: for good, or as it was asked for. */
export const LASTING: readonly { value: string; label: string }[] = [
  { value: "1", label: "1 hour" },
  { value: "24", label: "1 day" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
  { value: "2160", label: "90 days" },
  { value: "8760", label: "1 year" },
];

/** The moment so many hours from now; null for none. */
export function endOf(hours: string, now: Date): string | null {
  const count = Number(hours);
  return hours === "" || !Number.isFinite(count) || count <= 0
    ? null
    : new Date(now.getTime() + count * HOUR_MS).toISOString();
}
