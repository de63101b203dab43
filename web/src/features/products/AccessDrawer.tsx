import { Code, List, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import type { components } from "@/api/schema";
import { Drawer } from "@/components/Drawer";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { accessQuery } from "./queries";

type Access = components["schemas"]["Access"];

interface Props {
  name: string;
  address: string;
  opened: boolean;
  onClose: () => void;
}

/** Which rows and columns of a dataset one sees, how, and by which policies. */
export function AccessDrawer({ name, address, opened, onClose }: Props): ReactElement {
  const { data, error, refetch } = useQuery({ ...accessQuery(name, address), enabled: opened });
  return (
    <Drawer opened={opened} onClose={onClose} title={data?.label ?? "Access"}>
      {error !== null && <ErrorState error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeletons />}
      {data !== undefined && <Explained access={data} />}
    </Drawer>
  );
}

function Explained({ access }: { access: Access }): ReactElement {
  const denied = access.columns.filter(({ shown }) => shown === "denied").length;
  const whole = access.filters.length === 0 && access.masked === 0 && denied === 0;
  return (
    <Stack gap="md">
      {whole ? (
        <Text>
          {access.label === "No Access" ? "No policy lets you read it." : "You see all rows and columns as they are."}
        </Text>
      ) : (
        <List>
          {access.filters.map(({ filter, policy }) => (
            <List.Item key={`${filter} ${policy}`}>
              You see only rows with <Code fw={700}>{filter}</Code> (policy {policy}).
            </List.Item>
          ))}
          {access.masked > 0 && (
            <List.Item>
              {access.masked === 1 ? "1 column is masked." : `${access.masked} columns are masked.`}
            </List.Item>
          )}
          {denied > 0 && (
            <List.Item>{denied === 1 ? "1 column is not for you." : `${denied} columns are not for you.`}</List.Item>
          )}
        </List>
      )}
      {access.columns.length > 0 && (
        <>
          <Title order={3} fz="1rem">
            Columns
          </Title>
          <Table aria-label="What you see of each column">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Column</Table.Th>
                <Table.Th>Masking</Table.Th>
                <Table.Th>Policy</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {access.columns.map(({ column, shown, masking, policy }) => (
                <Table.Tr key={column}>
                  <Table.Td>{column}</Table.Td>
                  <Table.Td>
                    <Masking shown={shown} masking={masking} />
                  </Table.Td>
                  <Table.Td>{policy ?? "–"}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </>
      )}
    </Stack>
  );
}

function Masking({ shown, masking }: { shown: string; masking: string | null }): ReactElement {
  if (shown === "denied") return <>not shown</>;
  if (masking === null) return <em>No restriction</em>;
  return <Code>{masking}</Code>;
}
