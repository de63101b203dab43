import { ActionIcon, Button, Group, Stack, Table, Text, TextInput, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { problemsOf } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import type { User } from "../shared/queries";
import { Section } from "../shared/Section";
import { removeProperty, setProperty } from "./queries";

/** Properties of a user: filters of data policies may compare columns with them. */
export function PropertiesPart({ user }: { user: User }): ReactElement {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const queries = useQueryClient();
  const old = (): void => void queries.invalidateQueries({ queryKey: ["users"] });
  const set = useMutation({
    mutationFn: () => setProperty(user.id, key.trim(), value.trim()),
    onSuccess: () => {
      setKey("");
      setValue("");
      old();
    },
  });
  const remove = useMutation({ mutationFn: (gone: string) => removeProperty(user.id, gone), onSuccess: old });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    remove.reset();
    set.mutate();
  };
  const error = set.error ?? remove.error;
  return (
    <Section title="Properties">
      <Stack>
        <Text c="dimmed" size="sm">
          A row filter may compare a column with one of them (<code>valueFrom: {"{user_attribute: region}"}</code>).
        </Text>
        {user.properties.length > 0 && (
          <Table verticalSpacing="xs" aria-label="Properties">
            <Table.Tbody>
              {user.properties.map((property) => (
                <Table.Tr key={property.key}>
                  <Table.Th scope="row">{property.key}</Table.Th>
                  <Table.Td>{property.value}</Table.Td>
                  <Table.Td w={50}>
                    <Tooltip label="Remove">
                      <ActionIcon
                        variant="subtle"
                        aria-label={`Remove ${property.key}`}
                        onClick={() => remove.mutate(property.key)}
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
        <form onSubmit={submit}>
          <Group align="flex-end" gap="xs">
            <TextInput label="Property" value={key} onChange={(event) => setKey(event.currentTarget.value)} flex={1} />
            <TextInput label="Value" value={value} onChange={(event) => setValue(event.currentTarget.value)} flex={1} />
            <Button type="submit" variant="default" loading={set.isPending} disabled={key.trim() === ""}>
              Set
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
