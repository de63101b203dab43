import { momentColumn, stateColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import type { User } from "../shared/queries";
import { plainTags, rolesIn } from "../shared/subjects";

/** The list of users. */
export const USER_COLUMNS: readonly Column<User>[] = [
  {
    id: "name",
    header: "Name",
    value: (u) => u.name,
    width: 2.2,
    cell: (u) => (
      <Link to="/governance/users/$id" params={{ id: u.id }} fw={550}>
        {u.name}
      </Link>
    ),
  },
  { id: "id", header: "User id", value: (u) => u.id, width: 1.6 },
  { id: "type", header: "Type", value: (u) => u.type, width: 1.1 },
  stateColumn("state", "State", (u) => u.state, 1.2),
  { id: "roles", header: "Roles", value: (u) => rolesIn(u.tags).join(", "), width: 2.6 },
  { id: "tags", header: "Other tags", value: (u) => plainTags(u.tags).join(", "), width: 1.6 },
  { id: "email", header: "E-mail", value: (u) => u.email, width: 2 },
  momentColumn("created", "Here since", (u) => u.created, 1.3),
];
