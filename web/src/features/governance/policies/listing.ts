import type { Summary } from "@/features/resources/queries";
import type { PoliciesSearch } from "../routes";
import { hasOne, says } from "../shared/filtering";
import type { Rule } from "../shared/queries";
import { inWords } from "../shared/subjects";

/** A policy as the list shows it: the Resource, and what it says while it is in force. */
export interface Policy {
  name: string;
  layer: string;
  /** allow, deny, mask or filter; empty where only the Resource is known. */
  effect: string;
  /** in force, archived, or shipped: the last has no manifest. */
  state: string;
  priority: number | null;
  who: string;
  what: string;
  updated: string;
}

const WHOLE: Record<string, string> = { "dataos://**:**/**": "all datasets", "**": "everything" };

/** Resources and rules side by side, by name. `rules` undefined: the reader may not see them. */
export function policiesOf(resources: readonly Summary[], rules: readonly Rule[] | undefined): Policy[] {
  const byName = new Map((rules ?? []).map((rule) => [rule.policy, rule]));
  const listed = resources.map((resource): Policy => {
    const rule = byName.get(resource.name);
    const { name, layer, updated } = resource;
    if (rule !== undefined) return { ...said(rule), updated };
    const state = rules === undefined ? "" : "archived";
    return { name, layer, effect: "", state, priority: null, who: "", what: "", updated };
  });
  const known = new Set(resources.map((resource) => resource.name));
  const others = (rules ?? [])
    .filter((rule) => !known.has(rule.policy))
    .map((rule) => ({ ...said(rule), updated: "" }));
  return [...listed, ...others].sort((a, b) => a.name.localeCompare(b.name));
}

/** What filters and search leave. */
export function chosenOf(policies: readonly Policy[], search: PoliciesSearch): Policy[] {
  return policies.filter(
    (policy) =>
      says(search.q, policy.name, policy.who, policy.what) &&
      hasOne(search.effect, policy.effect) &&
      hasOne(search.layer, policy.layer) &&
      hasOne(search.state, policy.state),
  );
}

/** What a policy speaks of, in a line. */
export function objectsOf(rule: Rule): string {
  const columns = [...rule.columnTags.map((tag) => `columns tagged ${tag}`), ...rule.columnNames];
  const things = [...rule.paths, ...(rule.tags.length > 0 ? [inWords(rule.tags)] : [])];
  const where = [...new Set(things.map((thing) => WHOLE[thing] ?? thing))].join(", ");
  return columns.length > 0 ? `${columns.join(", ")} of ${where}` : where;
}

function said(rule: Rule): Omit<Policy, "updated"> {
  return {
    name: rule.policy,
    layer: rule.layer,
    effect: rule.effect,
    state: rule.origin === "shipped" ? "shipped" : "in force",
    priority: rule.priority,
    who: inWords(rule.subjects),
    what: objectsOf(rule),
  };
}
