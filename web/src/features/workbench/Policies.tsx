import { Text } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { DataTable, type Column } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { notesOf, notesOfRows, type Note } from "./notes";
import { explainQuery, statementQuery } from "./queries";
import type { Run } from "./state";

const EFFECTS: Record<Note["effect"], string> = {
  allowed: "may be read",
  filter: "rows are left out",
  mask: "values are masked",
  denied: "column is withheld",
};
const COLUMNS: readonly Column<Note>[] = [
  { id: "table", header: "Table", value: (n) => n.table, width: 2 },
  { id: "effect", header: "What it does", value: (n) => EFFECTS[n.effect], width: 1.4 },
  { id: "column", header: "Column", value: (n) => n.column, width: 1.2 },
  { id: "expression", header: "Shown instead, or kept", value: (n) => n.expression, width: 2.4 },
  { id: "policy", header: "Policy", value: (n) => n.policy, width: 1.6 },
];

/** What policies did to a statement's tables; of one that has not run, what they would do. */
export function Policies({ run }: { run: Run }): ReactElement {
  return run.explains ? <Expected run={run} /> : <Happened handle={run.handle ?? ""} />;
}

function Happened({ handle }: { handle: string }): ReactElement {
  const { data, error, refetch } = useQuery(statementQuery(handle, false));
  if (error !== null) return <Failed error={error} onRetry={() => void refetch()} />;
  return data == null ? <Skeletons rows={3} /> : <Notes notes={notesOf(data.tables)} />;
}

function Expected({ run }: { run: Run }): ReactElement {
  const { data, error, refetch } = useQuery(explainQuery(run.sql, "POLICY", run));
  if (error !== null) return <Failed error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeletons rows={3} />;
  if (data.columns[0]?.name !== "Table") {
    return <Text c="dimmed">Policies are told beforehand for queries only; for this statement once it has run.</Text>;
  }
  return <Notes notes={notesOfRows(data.rows)} />;
}

function Failed({ error, onRetry }: { error: unknown; onRetry: () => void }): ReactElement {
  return <ErrorState error={error} title="What policies do cannot be shown" onRetry={onRetry} />;
}

function Notes({ notes }: { notes: readonly Note[] }): ReactElement {
  if (notes.length === 0) {
    return (
      <EmptyState icon={<IconShieldCheck />} title="No policy had a part in it">
        It reads no table, or what it reads is yours in full.
      </EmptyState>
    );
  }
  return <DataTable label="Policies" rows={notes} columns={COLUMNS} idOf={(note) => Object.values(note).join("\n")} />;
}
