import { Table } from "@mantine/core";
import type { ReactElement } from "react";

import type { components } from "@/api/schema";
import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import { percent, seconds } from "./numbers";

type Levels = components["schemas"]["Levels"];

/** When outputs were written, and the targets of the manifest with how they are kept. */
export function ServiceLevels({ levels }: { levels: Levels }): ReactElement | null {
  const { freshness, slos } = levels;
  if (freshness.length === 0 && slos.length === 0) return null;
  return (
    <Table.ScrollContainer minWidth={520}>
      <Table aria-label="Freshness and service levels">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Promise</Table.Th>
            <Table.Th>Target</Table.Th>
            <Table.Th>Now</Table.Th>
            <Table.Th>State</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {slos.map(({ name, category, target, actual, ok, window_s }) => (
            <Table.Tr key={name}>
              <Table.Td>
                {name} ({category})
              </Table.Td>
              <Table.Td>
                {percent(target)}
                {window_s !== null && ` in ${seconds(window_s)}`}
              </Table.Td>
              <Table.Td>{percent(actual)}</Table.Td>
              <Table.Td>{ok === null ? "not measured" : <StatusBadge state={ok ? "ok" : "failing"} />}</Table.Td>
            </Table.Tr>
          ))}
          {freshness.map(({ dataset, writtenAt }) => (
            <Table.Tr key={dataset}>
              <Table.Td>{dataset}: last write</Table.Td>
              <Table.Td>–</Table.Td>
              <Table.Td>{writtenAt === null ? "no write is known" : <RelativeTime at={writtenAt} />}</Table.Td>
              <Table.Td>–</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
