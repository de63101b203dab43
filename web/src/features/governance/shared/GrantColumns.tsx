import { momentColumn, stateColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import { RelativeTime } from "@/components/RelativeTime";
import type { Grant } from "./queries";

/** Grants and requests as lists show them. */
export const GRANT_COLUMNS: readonly Column<Grant>[] = [
  {
    id: "useCase",
    header: "Use case",
    value: (g) => g.policy_use_case_id,
    width: 2.6,
    cell: (g) => (
      <Link to="/governance/grants/$id" params={{ id: g.id }} fw={550}>
        {g.policy_use_case_id}
      </Link>
    ),
  },
  { id: "subjects", header: "For", value: (g) => g.subjects.join(", "), width: 2 },
  stateColumn("state", "State", (g) => g.state, 1.3),
  { id: "requester", header: "Requester", value: (g) => g.requester, width: 1.1 },
  { id: "notes", header: "Why", value: (g) => g.notes, width: 2 },
  {
    id: "expires",
    header: "Ends",
    value: (g) => g.expires ?? "",
    width: 1.2,
    cell: (g) => (g.expires === null ? "never" : <RelativeTime at={g.expires} />),
  },
  momentColumn("created", "Filed", (g) => g.created, 1.2),
];
