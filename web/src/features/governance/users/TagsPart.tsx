import { ActionIcon, Autocomplete, Button, Group, Stack, Table, Text, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { problemsOf } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import { toast } from "@/lib/toasts";
import { rolesQuery } from "../roles/queries";
import { AsyncPart } from "../shared/AsyncPart";
import type { User } from "../shared/queries";
import { Section } from "../shared/Section";
import { TagName } from "../shared/TagList";
import { useOutdate } from "../shared/useOutdate";
import { addTags, givenTagsQuery, removeTags } from "./queries";

/** The tags of a user, roles among them: given and taken here. Policies hold with the next call. */
export function TagsPart({ user }: { user: User }): ReactElement {
  const [tag, setTag] = useState("");
  const outdate = useOutdate();
  const given = useQuery(givenTagsQuery(user.id));
  const roles = useQuery(rolesQuery);
  const add = useMutation({
    mutationFn: () => addTags(user.id, [tag.trim()]),
    onSuccess: () => {
      toast(`${user.name} has the tag ${tag.trim()}`);
      setTag("");
      outdate();
    },
  });
  const remove = useMutation({
    mutationFn: (gone: string) => removeTags(user.id, [gone]),
    onSuccess: (_, gone) => {
      toast(`${gone} is taken from ${user.name}`);
      outdate();
    },
  });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    remove.reset();
    add.mutate();
  };
  const take = (gone: string): void => {
    add.reset();
    remove.mutate(gone);
  };
  const error = add.error ?? remove.error;
  return (
    <Section title="Roles and tags">
      <Stack>
        <AsyncPart query={given} failed="Tags cannot be shown">
          {(tags) => (
            <Table verticalSpacing="xs">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Tag</Table.Th>
                  <Table.Th>Given by</Table.Th>
                  <Table.Th w={70}>Action</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {tags.map((one) => (
                  <Table.Tr key={one.tag}>
                    <Table.Td>
                      <TagName tag={one.tag} />
                    </Table.Td>
                    <Table.Td>{one.assigner ?? <Text c="dimmed">not known</Text>}</Table.Td>
                    <Table.Td>
                      <Tooltip label="Take away">
                        <ActionIcon
                          variant="subtle"
                          aria-label={`Take ${one.tag} away`}
                          disabled={remove.isPending}
                          onClick={() => take(one.tag)}
                        >
                          <IconTrash size={18} />
                        </ActionIcon>
                      </Tooltip>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )}
        </AsyncPart>
        <form onSubmit={submit}>
          <Group align="flex-end" gap="xs">
            <Autocomplete
              label="Give a role or tag"
              placeholder="roles:id:…"
              data={(roles.data ?? []).map((role) => role.tag).filter((one) => !user.tags.includes(one))}
              value={tag}
              onChange={setTag}
              flex={1}
            />
            <Button type="submit" loading={add.isPending} disabled={tag.trim() === ""}>
              Give
            </Button>
          </Group>
        </form>
        {error !== null && (
          <div role="alert">
            <ProblemList problems={problemsOf(error)} />
          </div>
        )}
      </Stack>
    </Section>
  );
}
