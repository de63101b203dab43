import { ActionIcon, Stack, Table, Text, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { Drawer } from "@/components/Drawer";
import { Link } from "@/components/Link";
import { ProblemList } from "@/components/ProblemList";
import { toast } from "@/lib/toasts";
import { AsyncPart } from "../shared/AsyncPart";
import { useOutdate } from "../shared/useOutdate";
import { InheritedFrom } from "./InheritedFrom";
import { takeTag, usesQuery } from "./queries";
import { saidBy } from "./sources";

/** Where a tag is, who says so, and the way to take it off. */
export function UsesDrawer({ tag, onClose }: { tag: string; onClose: () => void }): ReactElement {
  const query = useQuery(usesQuery(tag));
  const outdate = useOutdate();
  const take = useMutation({
    mutationFn: (asset: string) => takeTag(asset, tag),
    onSuccess: (_, asset) => {
      toast(`${asset} has ${tag} no more`);
      outdate();
    },
  });
  return (
    <Drawer opened onClose={onClose} title={tag}>
      <Stack>
        {take.isError && (
          <div role="alert">
            <ProblemList problems={problemsOf(take.error)} />
          </div>
        )}
        <AsyncPart query={query} failed="This cannot be shown">
          {(uses) =>
            uses.length === 0 ? (
              <Text c="dimmed">Nothing has this tag.</Text>
            ) : (
              <Table verticalSpacing="xs" aria-label={`Where ${tag} is`}>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Dataset or column</Table.Th>
                    <Table.Th>Said by</Table.Th>
                    <Table.Th w={60}>Action</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {uses.map((use) => (
                    <Table.Tr key={`${use.assetFqn} ${use.source}`}>
                      <Table.Td>
                        {use.assetType === "column" ? (
                          <Link to="/governance/coverage" search={{ viewers: use.assetFqn }}>
                            {use.assetFqn}
                          </Link>
                        ) : (
                          use.assetFqn
                        )}
                        {use.source === "inherited" && use.assetType === "column" && (
                          <InheritedFrom asset={use.assetFqn} />
                        )}
                      </Table.Td>
                      <Table.Td>{saidBy(use.source)}</Table.Td>
                      <Table.Td>
                        <Tooltip label="Take it off">
                          <ActionIcon
                            variant="subtle"
                            aria-label={`Take ${tag} off ${use.assetFqn}`}
                            disabled={take.isPending}
                            onClick={() => take.mutate(use.assetFqn)}
                          >
                            <IconTrash size={18} />
                          </ActionIcon>
                        </Tooltip>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            )
          }
        </AsyncPart>
        <Text c="dimmed" size="sm">
          A tag that a job gives comes back with its next run; one that was inherited does not, once it is taken off.
        </Text>
      </Stack>
    </Drawer>
  );
}
