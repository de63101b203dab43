import type { AuditSearch } from "../routes";

/** What the server is asked for; days are the reader's own. */
export interface Sought {
  actor?: string;
  action?: string;
  object?: string;
  allowed?: boolean;
  since?: string;
  until?: string;
}

/** The search of the address as the API takes it. `until` is a day that counts as a whole. */
export function soughtOf(search: AuditSearch): Sought {
  const { actor, action, object, decision } = search;
  const allowed = decision === undefined ? undefined : decision === "allowed";
  return { actor, action, object, allowed, since: dayOf(search.since, 0), until: dayOf(search.until, 1) };
}

/** The same as a query string, for a download. */
export function queryOf(sought: Sought): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(sought)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.toString();
}

function dayOf(day: string | undefined, later: number): string | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day ?? "");
  if (parts === null) return undefined;
  const moment = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + later);
  return Number.isNaN(moment.getTime()) ? undefined : moment.toISOString();
}
