import { Group, List, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import { AsyncPart } from "../shared/AsyncPart";
import type { Rule } from "../shared/queries";
import { Section } from "../shared/Section";
import type { Reach } from "./queries";

interface Props {
  query: { data: Reach | undefined; error: unknown; refetch: () => unknown };
  rule: Rule;
}

/** The users, datasets and columns that a policy concerns now. */
export function ReachParts({ query, rule }: Props): ReactElement {
  const about = rule.effect === "allow" || rule.effect === "deny" ? (rule.predicates[0] ?? "read") : "read";
  const predicate = about.includes("*") ? "read" : about;
  return (
    <Stack>
      <Section title="Users it concerns now">
        <AsyncPart query={query} failed="They cannot be shown" rows={2}>
          {({ users }) =>
            users.length === 0 ? (
              <Text c="dimmed">Nobody has these tags.</Text>
            ) : (
              <Group gap="xs">
                {users.map((user) => (
                  <Link key={user} to="/governance/users/$id" params={{ id: user }}>
                    {user}
                  </Link>
                ))}
              </Group>
            )
          }
        </AsyncPart>
      </Section>
      <Section title="Datasets it speaks of">
        <AsyncPart query={query} failed="They cannot be shown" rows={3}>
          {({ datasets, users }) =>
            datasets.length === 0 ? (
              <Text c="dimmed">None that is known here now. It holds for what comes later too.</Text>
            ) : (
              <List spacing="xs" listStyleType="none">
                {datasets.map(({ dataset, columns }) => (
                  <List.Item key={dataset}>
                    <Link to="/governance/explain" search={{ user: users[0], predicate, object: dataset }}>
                      {dataset}
                    </Link>
                    {columns.length > 0 && <Text size="sm">{columns.join(", ")}</Text>}
                  </List.Item>
                ))}
              </List>
            )
          }
        </AsyncPart>
      </Section>
    </Stack>
  );
}
