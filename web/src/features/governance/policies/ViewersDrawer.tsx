import { Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { Drawer } from "@/components/Drawer";
import { Link } from "@/components/Link";
import { StatusBadge } from "@/components/StatusBadge";
import { AsyncPart } from "../shared/AsyncPart";
import { viewersQuery } from "./queries";

interface Props {
  /** `dataos://depot:collection/dataset#column` */
  of: string;
  onClose: () => void;
}

/** What each user sees of one column. */
export function ViewersDrawer({ of, onClose }: Props): ReactElement {
  const [dataset = "", column = ""] = of.split("#");
  const query = useQuery(viewersQuery(dataset, column));
  return (
    <Drawer opened onClose={onClose} title={`Who sees ${column}`}>
      <Stack>
        <Text c="dimmed">{dataset}</Text>
        <AsyncPart query={query} failed="This cannot be shown">
          {(viewers) => (
            <Table verticalSpacing="xs" aria-label="Viewers">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>User</Table.Th>
                  <Table.Th>Sees</Table.Th>
                  <Table.Th>As</Table.Th>
                  <Table.Th>By</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {viewers.map((viewer) => (
                  <Table.Tr key={viewer.user}>
                    <Table.Td>
                      <Link to="/governance/explain" search={{ user: viewer.user, predicate: "read", object: of }}>
                        {viewer.user}
                      </Link>
                    </Table.Td>
                    <Table.Td>
                      <StatusBadge state={viewer.shown} />
                    </Table.Td>
                    <Table.Td>{viewer.mask}</Table.Td>
                    <Table.Td>{viewer.policy}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )}
        </AsyncPart>
      </Stack>
    </Drawer>
  );
}
