import { momentColumn, stateColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import type { Rule } from "../shared/queries";
import { inWords } from "../shared/subjects";
import { objectsOf, type Policy } from "./listing";

const name = (policy: string) => (
  <Link to="/governance/policies/$name" params={{ name: policy }} fw={550}>
    {policy}
  </Link>
);

/** The list of policies. */
export const POLICY_COLUMNS: readonly Column<Policy>[] = [
  { id: "name", header: "Name", value: (p) => p.name, width: 2.4, cell: (p) => name(p.name) },
  stateColumn("effect", "Effect", (p) => p.effect, 1.1),
  { id: "priority", header: "Priority", value: (p) => p.priority ?? "", width: 0.9 },
  { id: "who", header: "Who", value: (p) => p.who, width: 2.2 },
  { id: "what", header: "What", value: (p) => p.what, width: 3 },
  { id: "layer", header: "Layer", value: (p) => p.layer, width: 0.9 },
  stateColumn("state", "State", (p) => p.state, 1.3),
  momentColumn("updated", "Changed", (p) => p.updated, 1.3),
];

/** Policies in force, in short. */
export const RULE_COLUMNS: readonly Column<Rule>[] = [
  { id: "name", header: "Policy", value: (r) => r.policy, width: 2, cell: (r) => name(r.policy) },
  stateColumn("effect", "Effect", (r) => r.effect),
  { id: "priority", header: "Priority", value: (r) => r.priority ?? "", width: 0.8 },
  { id: "who", header: "Who", value: (r) => inWords(r.subjects), width: 2 },
  { id: "what", header: "What", value: (r) => objectsOf(r), width: 3 },
];
