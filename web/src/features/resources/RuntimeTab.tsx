import { Stack, Text, Title } from "@mantine/core";
import { IconPlayerPause } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { Failure } from "@/api/failure";
import { momentColumn } from "@/components/columns";
import { DataTable, type Column } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { StatusBadge } from "@/components/StatusBadge";
import { runtimeQuery, type Resource } from "./queries";
import { nodesOf, type Node } from "./nodes";

const COLUMNS: readonly Column<Node>[] = [
  { id: "name", header: "Node", value: (n) => n.name, width: 2 },
  { id: "status", header: "Status", value: (n) => n.status, width: 1.2, cell: (n) => <StatusBadge state={n.status} /> },
  { id: "type", header: "Type", value: (n) => n.type, width: 1.2 },
  momentColumn("started", "Started", (n) => n.started, 1.4),
  { id: "reason", header: "Reason", value: (n) => n.reason, width: 3.4 },
];

/** What runs for a Resource: its newest run, node by node. */
export function RuntimeTab({ resource }: { resource: Resource }): ReactElement {
  const { data, isPending, error, refetch } = useQuery(runtimeQuery(resource));
  if (isPending) return <Skeletons rows={4} />;
  if (error instanceof Failure && error.code === "kind.no_runtime") {
    return (
      <EmptyState icon={<IconPlayerPause />} title="Nothing runs for it">
        A {resource.type} declares something; it has no runs of its own.
      </EmptyState>
    );
  }
  if (error !== null)
    return <ErrorState error={error} title="Its runtime cannot be shown" onRetry={() => void refetch()} />;
  const nodes = nodesOf(data);
  return (
    <Stack>
      <Title order={2}>Newest run</Title>
      {nodes.length === 0 && <Text c="dimmed">It has not run yet.</Text>}
      {nodes.length > 0 && <DataTable label="Nodes" rows={nodes} columns={COLUMNS} idOf={(n) => n.id} />}
    </Stack>
  );
}
