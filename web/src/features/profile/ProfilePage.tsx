import { Badge, Group, SimpleGrid, Text, Title } from "@mantine/core";
import type { ReactElement } from "react";

import { useMe } from "@/app/me";
import { DescriptionList } from "@/components/DescriptionList";
import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import { Surface } from "@/components/Surface";

/** Profile > Overview: who one is here, and what one may do. */
export default function ProfilePage(): ReactElement {
  const { user, may } = useMe();
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Surface label="Account">
        <Title order={2} mb="sm">
          Account
        </Title>
        <DescriptionList
          items={[
            ["Name", user.name],
            ["User id", user.id],
            ["Type", user.type],
            ["E-mail", user.email],
            ["State", <StatusBadge key="state" state={user.state} />],
            ["Here since", <RelativeTime key="created" at={user.created} />],
            ["Tags", <Words key="tags" words={user.tags} />],
          ]}
        />
      </Surface>
      <Surface label="What you may do">
        <Title order={2} mb="sm">
          What you may do
        </Title>
        {may.size > 0 ? (
          <Words words={[...may]} />
        ) : (
          <Text c="dimmed">
            No use case is granted to you as a whole. What you own is yours to change, and policies may open single
            things; an operator can grant more.
          </Text>
        )}
      </Surface>
    </SimpleGrid>
  );
}

function Words({ words }: { words: readonly string[] }): ReactElement {
  return (
    <Group gap={6}>
      {words.map((word) => (
        <Badge key={word} variant="default" tt="none" fw={500}>
          {word}
        </Badge>
      ))}
    </Group>
  );
}
