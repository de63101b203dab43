import { momentColumn, stateColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import type { Summary } from "./queries";
import { whereOf } from "./where";

/** The list of Resources. A reason stands beside a state that is not good. */
export const COLUMNS: readonly Column<Summary>[] = [
  {
    id: "name",
    header: "Name",
    value: (r) => r.name,
    width: 3,
    cell: (r) => (
      <Link to="/operations/resources/$type/$name" {...whereOf(r)} fw={550}>
        {r.name}
      </Link>
    ),
  },
  { id: "type", header: "Type", value: (r) => r.type, width: 1.9 },
  { id: "workspace", header: "Workspace", value: (r) => r.workspace ?? "", width: 1.5 },
  stateColumn("status", "Status", (r) => r.status, 1.6),
  stateColumn("runtime", "Runtime", (r) => r.runtime, 1.9),
  { id: "reason", header: "Reason", value: (r) => reasonOf(r), width: 2.2 },
  { id: "owner", header: "Owner", value: (r) => r.owner, width: 1.3 },
  momentColumn("updated", "Updated", (r) => r.updated, 1.8),
];

/** Why a Resource is not active (yet). */
export function reasonOf(resource: Summary): string {
  return resource.status === "active" ? "" : resource.builder.info;
}
