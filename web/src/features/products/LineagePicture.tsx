import { Table, Text } from "@mantine/core";
import { IconSitemap } from "@tabler/icons-react";
import { useQueries } from "@tanstack/react-query";
import { useMemo, useState, type ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import Graph from "@/components/Graph";
import { Skeletons } from "@/components/Skeletons";
import { lineageQuery } from "./fileQueries";
import { endOf, merged } from "./lineage";
import { LineageBox } from "./LineageBox";

/** Datasets and the jobs between them, around one; each can be opened a step further. */
export function LineagePicture({ start }: { start: string }): ReactElement {
  const [opened, setOpened] = useState<readonly string[]>([start]);
  const steps = useQueries({
    queries: opened.map((address) => lineageQuery(address)),
    combine: (results) => ({
      data: results.flatMap(({ data }) => data ?? []),
      failed: results.find(({ error }) => error !== null),
      pending: results.some(({ isPending }) => isPending),
    }),
  });
  const picture = useMemo(() => merged(steps.data), [steps.data]);
  const nodes = useMemo(
    () =>
      picture.nodes.map(({ address, title, restricted }) => ({
        id: address,
        label: title,
        content: (
          <LineageBox
            title={endOf(title)}
            address={address}
            chosen={address === start}
            onOpen={restricted || opened.includes(address) ? undefined : () => setOpened((old) => [...old, address])}
          />
        ),
      })),
    [picture, opened, start],
  );
  const edges = useMemo(() => picture.ways.map(({ from, to }) => ({ from, to })), [picture]);
  return (
    <>
      {steps.failed !== undefined && (
        <ErrorState
          error={steps.failed.error}
          title="Its lineage cannot be shown"
          onRetry={() => void steps.failed?.refetch()}
        />
      )}
      {steps.data.length === 0 && steps.pending && <Skeletons rows={1} height={320} />}
      {steps.data.length > 0 && picture.ways.length === 0 && (
        <EmptyState icon={<IconSitemap />} title="No job is known that reads or writes it">
          Lineage comes of Workflows that run here, and of OpenLineage events that others send.
        </EmptyState>
      )}
      {picture.ways.length > 0 && (
        <>
          <Graph label={`Lineage around ${start}`} nodes={nodes} edges={edges} height={420} />
          <Table.ScrollContainer minWidth={560}>
            <Table aria-label="Lineage">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>From</Table.Th>
                  <Table.Th>Job</Table.Th>
                  <Table.Th>To</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {picture.ways.map(({ from, to, jobs }) => (
                  <Table.Tr key={JSON.stringify([from, to])}>
                    <Table.Td>{from}</Table.Td>
                    <Table.Td>
                      <Text size="sm">{jobs.join(", ")}</Text>
                    </Table.Td>
                    <Table.Td>{to}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </>
      )}
    </>
  );
}
