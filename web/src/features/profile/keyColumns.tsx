import { ActionIcon, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";

import { momentColumn, stateColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { RelativeTime } from "@/components/RelativeTime";
import type { Key } from "./queries";

/** The list of API keys. `onRevoke` gets the name of one. */
export function keyColumns(onRevoke: (name: string) => void): readonly Column<Key>[] {
  return [
    { id: "name", header: "Name", value: (k) => k.name, width: 3 },
    { id: "type", header: "Type", value: (k) => k.type },
    stateColumn("state", "State", stateOf),
    {
      id: "expiration",
      header: "Expires",
      value: (k) => k.expiration ?? "",
      width: 1.5,
      cell: (k) => (k.expiration === null ? "never" : <RelativeTime at={k.expiration} />),
    },
    momentColumn("created", "Created", (k) => k.created, 1.5),
    {
      id: "action",
      header: "Action",
      value: () => "",
      cell: (k) => (
        <Tooltip label="Revoke">
          <ActionIcon variant="subtle" aria-label={`Revoke ${k.name}`} onClick={() => onRevoke(k.name)}>
            <IconTrash size={18} />
          </ActionIcon>
        </Tooltip>
      ),
    },
  ];
}

const stateOf = (key: Key): string => (key.expired ? "expired" : "active");
