import { Title } from "@mantine/core";
import type { ReactElement } from "react";

import type { components } from "@/api/schema";
import { momentColumn, stateColumn } from "@/components/columns";
import { DataTable, type Column } from "@/components/DataTable";
import { endOf } from "./lineage";

type Check = components["schemas"]["Check"];
type Declared = components["schemas"]["Declared"];

const CHECKS: readonly Column<Check>[] = [
  { id: "dataset", header: "Dataset", value: (c) => c.dataset, width: 1.6, cell: (c) => endOf(c.dataset) },
  { id: "column", header: "Column", value: (c) => c.column ?? "–" },
  { id: "check", header: "Check", value: (c) => c.check, width: 1.6 },
  { id: "description", header: "Rule", value: (c) => c.description, width: 2 },
  { id: "category", header: "Category", value: (c) => c.category, width: 1.4 },
  stateColumn("status", "Status", (c) => c.status, 1.2),
  momentColumn("at", "Checked", (c) => c.at, 1.4),
];
const DECLARED: readonly Column<Declared>[] = [
  { id: "dataset", header: "Dataset", value: (c) => c.dataset, width: 1.6, cell: (c) => endOf(c.dataset) },
  { id: "check", header: "Check", value: (c) => c.check, width: 1.6 },
  { id: "description", header: "Rule", value: (c) => c.description, width: 2 },
  { id: "category", header: "Category", value: (c) => c.category },
];

/** Checks with their newest results, and those that the manifest promises. */
export function ChecksTable(props: { checks: readonly Check[]; declared: readonly Declared[] }): ReactElement {
  const { checks, declared } = props;
  return (
    <>
      {checks.length > 0 && (
        <>
          <Title order={2}>Checks</Title>
          <DataTable
            label="Checks"
            rows={checks}
            columns={CHECKS}
            idOf={(c) => JSON.stringify([c.dataset, c.column, c.description])}
          />
        </>
      )}
      {declared.length > 0 && (
        <>
          <Title order={2}>Declared in the manifest</Title>
          <DataTable
            label="Declared checks"
            rows={declared}
            columns={DECLARED}
            idOf={(c) => JSON.stringify([c.dataset, c.check, c.description])}
          />
        </>
      )}
    </>
  );
}
