const KNOWN = ["at", "by", "change"];

/** What a change says beside when, who and what: "tags: roles:id:user, PII" */
export function detailOf(change: Record<string, unknown>): string {
  return Object.entries(change)
    .filter(([name]) => !KNOWN.includes(name))
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.map(shown).join(", ") : shown(value)}`)
    .join("; ");
}

const shown = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
