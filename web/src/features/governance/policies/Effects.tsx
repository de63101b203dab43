import { Stack, Table, Text, Title } from "@mantine/core";
import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import type { Effect, Simulated } from "./queries";

/** Who would gain and lose what. */
export function Effects({ found }: { found: Simulated }): ReactElement {
  if (found.gains.length + found.loses.length === 0) {
    return (
      <Text>
        {found.statements === 0
          ? "Nobody has asked anything yet: there is nothing to compare with."
          : `No difference for any of ${found.statements} recorded reads.`}
      </Text>
    );
  }
  return (
    <Stack>
      <Side title="Would lose" effects={found.loses} />
      <Side title="Would gain" effects={found.gains} />
      <Text c="dimmed" size="sm">
        By {found.statements} recorded reads.
      </Text>
    </Stack>
  );
}

function Side({ title, effects }: { title: string; effects: readonly Effect[] }): ReactElement {
  return (
    <section aria-label={title}>
      <Title order={2} mb="xs">
        {title} ({effects.length})
      </Title>
      {effects.length === 0 ? (
        <Text c="dimmed">Nobody.</Text>
      ) : (
        <Table.ScrollContainer minWidth={420} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
          <Table verticalSpacing="xs" aria-label={title}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>User</Table.Th>
                <Table.Th>Dataset</Table.Th>
                <Table.Th>Before</Table.Th>
                <Table.Th>After</Table.Th>
                <Table.Th>Reads</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {effects.map((one) => (
                <Table.Tr key={`${one.user} ${one.dataset} ${one.what}`}>
                  <Table.Td>
                    <Link to="/governance/users/$id" params={{ id: one.user }}>
                      {one.user}
                    </Link>
                  </Table.Td>
                  <Table.Td>
                    {one.dataset}
                    {one.what !== "dataset" && (
                      <Text size="sm" c="dimmed">
                        {one.what}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td>{one.before}</Table.Td>
                  <Table.Td>{one.after}</Table.Td>
                  <Table.Td>{one.statements}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </section>
  );
}
