import { Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { DataTable, type Column } from "@/components/DataTable";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { StatusBadge } from "@/components/StatusBadge";
import { isServer, type Part } from "./parts";
import { partsQuery } from "./queries";

const stateOf = (part: Part): string => (part.ok ? "ok" : "fail");

const COLUMNS: readonly Column<Part>[] = [
  { id: "name", header: "Part", value: (part) => part.name, width: 1.8 },
  { id: "state", header: "State", value: stateOf, width: 0.8, cell: (part) => <StatusBadge state={stateOf(part)} /> },
  { id: "about", header: "What it does", value: (part) => part.about, width: 2.2 },
  { id: "detail", header: "Detail", value: (part) => part.detail, width: 4 },
];

/** Parts of the server that answers, and all servers that share its store. */
export function PartsList(): ReactElement {
  const { data, isPending, isError, error, refetch } = useQuery(partsQuery);
  const servers = data?.filter(isServer) ?? [];
  const bad = data?.filter((part) => !part.ok) ?? [];
  return (
    <section aria-labelledby="health-parts">
      <Title order={2} id="health-parts" mb="sm">
        Parts and servers
      </Title>
      {isPending && <Skeletons rows={5} />}
      {isError && <ErrorState error={error} title="The server cannot be asked" onRetry={() => void refetch()} />}
      {data !== undefined && (
        <Stack gap="xs">
          <Text role="status">
            {bad.length === 0 ? "All parts work." : `Not well: ${bad.map((part) => part.name).join(", ")}.`}
            {servers.length > 1 && ` ${servers.length} servers share this store.`}
          </Text>
          <DataTable label="Parts and servers" rows={data} columns={COLUMNS} idOf={(part) => part.name} />
        </Stack>
      )}
    </section>
  );
}
