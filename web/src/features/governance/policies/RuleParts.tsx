import { List, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { DescriptionList } from "@/components/DescriptionList";
import { StatusBadge } from "@/components/StatusBadge";
import type { Rule } from "../shared/queries";
import { Section } from "../shared/Section";
import { TagList } from "../shared/TagList";
import { reachQuery } from "./queries";
import { ReachParts } from "./ReachParts";
import { sentencesOf } from "./sentences";

/** What a policy that is in force says, and whom and what it concerns. */
export function RuleParts({ rule }: { rule: Rule }): ReactElement {
  const reach = useQuery(reachQuery(rule.policy));
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Stack>
        <Section title="In words">
          <Stack gap="xs">
            {rule.description !== "" && <Text fs="italic">{rule.description}</Text>}
            {sentencesOf(rule).map((sentence) => (
              <Text key={sentence}>{sentence}</Text>
            ))}
          </Stack>
        </Section>
        <Section title="Parts">
          <DescriptionList
            items={[
              ["Effect", <StatusBadge key="effect" state={rule.effect} />],
              ["Layer", rule.layer],
              ["Priority", rule.priority === null ? null : String(rule.priority)],
              ["Subjects", rule.subjects.length > 0 && <Groups key="subjects" groups={rule.subjects} />],
              ["Predicates", rule.predicates.join(", ")],
              ["Addresses", rule.paths.join(", ")],
              ["Object tags", rule.tags.length > 0 && <Groups key="tags" groups={rule.tags} />],
              ["Column tags", rule.columnTags.length > 0 && <TagList key="columns" tags={rule.columnTags} />],
              ["Column names", rule.columnNames.join(", ")],
              ["Shown instead", rule.mask],
              ["Rows where", rule.filters.join(" and ")],
            ]}
          />
        </Section>
      </Stack>
      <ReachParts query={reach} rule={rule} />
    </SimpleGrid>
  );
}

/** Groups of tags: all of one, or all of another. */
function Groups({ groups }: { groups: readonly string[][] }): ReactElement {
  return (
    <List listStyleType="none" spacing={4}>
      {groups.map((group) => (
        <List.Item key={group.join()}>
          <TagList tags={group} />
        </List.Item>
      ))}
    </List>
  );
}
