import type { Rule } from "../shared/queries";
import { inWords } from "../shared/subjects";
import { objectsOf } from "./listing";

/** What a policy says, in plain sentences. */
export function sentencesOf(rule: Rule): string[] {
  const who = `Whoever has ${inWords(rule.subjects)}`;
  const what = objectsOf(rule);
  if (rule.effect === "allow" || rule.effect === "deny") {
    const does = rule.predicates.includes("**") ? "do anything with" : rule.predicates.join(", ");
    const first = `${who} ${rule.effect === "allow" ? "may" : "may not"} ${does} ${what}.`;
    return rule.effect === "allow"
      ? [first, "A policy that denies the same wins."]
      : [first, "This wins over whatever allows it."];
  }
  const second = `Its priority is ${rule.priority ?? "not set"}: of policies that select the same column the lowest counts.`;
  if (rule.effect === "filter") {
    return [`${who} sees only rows of ${what} where ${rule.filters.join(" and ")}.`, second];
  }
  if (rule.mask === "shown as it is") return [`${who} sees ${what} as they are.`, second];
  return [`${who} sees, in ${what}, ${rule.mask ?? "nothing"} instead of the value.`, second];
}
