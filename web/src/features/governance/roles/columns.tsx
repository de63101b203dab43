import { ActionIcon, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";

import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import type { Namespace } from "../shared/artifacts";
import type { Role } from "./queries";

/** The list of roles. `members`: how many users have each. */
export function roleColumns(members: ReadonlyMap<string, number>): readonly Column<Role>[] {
  return [
    {
      id: "name",
      header: "Role",
      value: (r) => r.name,
      width: 1.6,
      cell: (r) => (
        <Link to="/governance/roles/$id" params={{ id: r.id }} fw={550}>
          {r.name}
        </Link>
      ),
    },
    { id: "tag", header: "Tag", value: (r) => r.tag, width: 2 },
    { id: "members", header: "Users", value: (r) => members.get(r.id) ?? 0, width: 0.8 },
    { id: "description", header: "What for", value: (r) => r.description, width: 4 },
  ];
}

/** The list of tag namespaces. `onRemove` gets the id of one. */
export function namespaceColumns(onRemove: (id: string) => void): readonly Column<Namespace>[] {
  return [
    { id: "name", header: "Namespace", value: (n) => n.name, width: 1.5 },
    { id: "glob", header: "Tags", value: (n) => n.glob, width: 2 },
    { id: "type", header: "Type", value: (n) => n.type },
    { id: "description", header: "What for", value: (n) => n.description, width: 3 },
    {
      id: "action",
      header: "Action",
      value: (n) => (n.shipped ? "came with the installation" : ""),
      width: 1.6,
      cell: (n) =>
        n.shipped ? undefined : (
          <Tooltip label="Remove">
            <ActionIcon variant="subtle" aria-label={`Remove ${n.name}`} onClick={() => onRemove(n.id)}>
              <IconTrash size={18} />
            </ActionIcon>
          </Tooltip>
        ),
    },
  ];
}
