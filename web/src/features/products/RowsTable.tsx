import { Text } from "@mantine/core";
import { useMemo, type ReactElement } from "react";

import type { components } from "@/api/schema";
import { DataTable, type Column } from "@/components/DataTable";
import { cellOf, textOf } from "./values";

type Answer = Pick<components["schemas"]["Rows"], "columns" | "rows">;

interface Line {
  id: string;
  cells: unknown[];
}

/** Rows of an answer. */
export function RowsTable({ label, answer }: { label: string; answer: Answer }): ReactElement {
  const rows = useMemo((): Line[] => answer.rows.map((cells, at) => ({ id: String(at), cells })), [answer.rows]);
  const columns = useMemo(
    (): Column<Line>[] =>
      answer.columns.map(({ name }, at) => ({
        id: `${at} ${name}`,
        header: name,
        value: (row) => cellOf(row.cells[at]),
        cell: (row) =>
          row.cells[at] === null ? (
            <Text span c="dimmed" fs="italic">
              NULL
            </Text>
          ) : (
            textOf(row.cells[at])
          ),
      })),
    [answer.columns],
  );
  if (rows.length === 0) return <Text c="dimmed">There are no rows, or none that you may see.</Text>;
  return <DataTable label={label} rows={rows} columns={columns} idOf={(row) => row.id} />;
}
