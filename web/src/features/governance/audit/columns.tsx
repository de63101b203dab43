import { momentColumn, stateColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import type { AuditSearch } from "../routes";
import type { AuditRow } from "./queries";

export const decisionOf = (row: AuditRow): string => (row.allowed ? "allowed" : "refused");

/** Rows of the audit. A number opens what else the row says; `search`: what is sought, which stays. */
export function auditColumns(search: AuditSearch): readonly Column<AuditRow>[] {
  return [
    {
      id: "seq",
      header: "Row",
      value: (r) => r.seq,
      width: 0.8,
      cell: (r) => (
        <Link to="/governance/audit" search={{ ...search, row: r.seq }}>
          {r.seq}
        </Link>
      ),
    },
    momentColumn("at", "When", (r) => r.at, 1.3),
    { id: "actor", header: "Actor", value: (r) => r.actor, width: 1.2 },
    { id: "run_as", header: "Run as", value: (r) => r.run_as, width: 1 },
    { id: "action", header: "Action", value: (r) => r.action, width: 1.6 },
    { id: "object", header: "Object", value: (r) => r.object, width: 3.4 },
    stateColumn("decision", "Decision", decisionOf, 1.2),
    { id: "policies", header: "By", value: (r) => r.policies.join(", "), width: 2 },
  ];
}
