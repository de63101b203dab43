import { ActionIcon, Button, Group, Select, Stack, Table, Text, Tooltip } from "@mantine/core";
import { IconUserMinus } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { problemsOf } from "@/api/failure";
import { Link } from "@/components/Link";
import { ProblemList } from "@/components/ProblemList";
import { toast } from "@/lib/toasts";
import { AsyncPart } from "../shared/AsyncPart";
import { usersQuery } from "../shared/queries";
import { Section } from "../shared/Section";
import { useOutdate } from "../shared/useOutdate";
import { addTags, removeTags } from "../users/queries";
import type { Role } from "./queries";

/** Who has a role: given and taken here. */
export function MembersPart({ role }: { role: Role }): ReactElement {
  const query = useQuery(usersQuery);
  const outdate = useOutdate();
  const [user, setUser] = useState<string | null>(null);
  const change = useMutation({
    mutationFn: ({ id, gives }: { id: string; gives: boolean }) =>
      gives ? addTags(id, [role.tag]) : removeTags(id, [role.tag]),
    onSuccess: (_, { id, gives }) => {
      toast(gives ? `${id} has the role ${role.name}` : `${role.name} is taken from ${id}`);
      setUser(null);
      outdate();
    },
  });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (user !== null) change.mutate({ id: user, gives: true });
  };
  return (
    <Section title="Users">
      <AsyncPart query={query} failed="Users cannot be shown">
        {(all) => {
          const members = all.filter((one) => one.tags.includes(role.tag));
          const others = all.filter((one) => !one.tags.includes(role.tag));
          return (
            <Stack>
              {members.length === 0 && <Text c="dimmed">Nobody has it yet.</Text>}
              {members.length > 0 && (
                <Table verticalSpacing="xs" aria-label="Users">
                  <Table.Tbody>
                    {members.map((one) => (
                      <Table.Tr key={one.id}>
                        <Table.Td>
                          <Link to="/governance/users/$id" params={{ id: one.id }}>
                            {one.name}
                          </Link>
                        </Table.Td>
                        <Table.Td>{one.id}</Table.Td>
                        <Table.Td>{one.type}</Table.Td>
                        <Table.Td w={50}>
                          <Tooltip label="Take the role away">
                            <ActionIcon
                              variant="subtle"
                              aria-label={`Take the role from ${one.name}`}
                              disabled={change.isPending}
                              onClick={() => change.mutate({ id: one.id, gives: false })}
                            >
                              <IconUserMinus size={18} />
                            </ActionIcon>
                          </Tooltip>
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              )}
              <form onSubmit={submit}>
                <Group align="flex-end" gap="xs">
                  <Select
                    label="Give it to"
                    placeholder="a user"
                    data={others.map((one) => ({ value: one.id, label: `${one.name} (${one.id})` }))}
                    value={user}
                    onChange={setUser}
                    searchable
                    flex={1}
                  />
                  <Button type="submit" disabled={user === null} loading={change.isPending}>
                    Give
                  </Button>
                </Group>
              </form>
              {change.isError && (
                <div role="alert">
                  <ProblemList problems={problemsOf(change.error)} />
                </div>
              )}
            </Stack>
          );
        }}
      </AsyncPart>
    </Section>
  );
}
