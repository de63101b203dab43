import { Text, Title } from "@mantine/core";
import type { ReactElement } from "react";

import { DataTable, type Column } from "@/components/DataTable";
import { StatusBadge } from "@/components/StatusBadge";
import { effectsOf, type Effect } from "./policies";
import type { Statement } from "./queries";

type Line = Effect & { id: string };

const COLUMNS: readonly Column<Line>[] = [
  { id: "table", header: "Table", value: (line) => line.table, width: 2.4 },
  {
    id: "what",
    header: "Was",
    value: (line) => line.what,
    width: 1,
    cell: (line) => <StatusBadge state={line.what} />,
  },
  { id: "on", header: "Column", value: (line) => line.on, width: 1.2 },
  { id: "how", header: "How", value: (line) => line.how, width: 2.4 },
  { id: "policy", header: "Policy", value: (line) => line.policy, width: 2 },
];

/** Which policies took part, and what they did to each table. */
export function PoliciesOf({ statement }: { statement: Statement }): ReactElement {
  const lines = effectsOf(statement.tables).map((effect, position) => ({ ...effect, id: String(position) }));
  return (
    <section aria-labelledby="statement-policies">
      <Title order={2} id="statement-policies" mb="sm">
        Tables and policies
      </Title>
      {lines.length === 0 ? (
        <Text c="dimmed">It read no table, or ended before its tables were known.</Text>
      ) : (
        <DataTable label="Tables and policies" rows={lines} columns={COLUMNS} idOf={(line) => line.id} />
      )}
    </section>
  );
}
