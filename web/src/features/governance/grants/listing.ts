import { says } from "../shared/filtering";
import type { Grant } from "../shared/queries";

export const TABS = ["requested", "approved", "rejected", "mine"] as const;
export type Tab = (typeof TABS)[number];

/** The grants of a tab: by their state, or the reader's own ones. `reader`: the id of who reads. */
export function grantsOf(grants: readonly Grant[], tab: Tab, reader: string): Grant[] {
  if (tab !== "mine") return grants.filter((grant) => grant.state === tab);
  return grants.filter((grant) => isFor(grant, reader));
}

/** Is it the reader's: asked for by him, or for him by name? What his roles have is everybody's of that role. */
function isFor(grant: Grant, reader: string): boolean {
  const named = grant.subjects.includes(`users:id:${reader}`);
  return named || grant.requester === reader || grant.creator === reader;
}

/** What search leaves. */
export const chosenOf = (grants: readonly Grant[], q: string | undefined): Grant[] =>
  grants.filter((grant) => says(q, grant.policy_use_case_id, grant.requester, grant.notes, ...grant.subjects));
