import { Alert, Badge, Group, SimpleGrid, Title } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { DescriptionList } from "@/components/DescriptionList";
import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import { Surface } from "@/components/Surface";
import { reasonOf } from "./columns";
import type { Resource } from "./queries";

/** What a Resource is, how it is, and why. */
export function OverviewTab({ resource }: { resource: Resource }): ReactElement {
  const reason = reasonOf(resource);
  const { builder } = resource;
  return (
    <>
      {reason !== "" && (
        <Alert
          mb="md"
          icon={<IconAlertCircle aria-hidden />}
          title={resource.status === "error" ? "Why it failed" : "What it waits for"}
          variant="outline"
          color={resource.status === "error" ? "red.8" : "ink"}
        >
          {reason}
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Surface label="Resource">
          <Title order={2} mb="sm">
            Resource
          </Title>
          <DescriptionList
            items={[
              ["Type", resource.type],
              ["Version", resource.version],
              ["Layer", resource.layer],
              ["Workspace", resource.workspace],
              ["Description", descriptionOf(resource)],
              ["Owner", resource.owner],
              ["Tags", <Tags key="tags" tags={resource.tags} />],
            ]}
          />
        </Surface>
        <Surface label="Status">
          <Title order={2} mb="sm">
            Status
          </Title>
          <DescriptionList
            items={[
              ["Status", <StatusBadge key="status" state={resource.status} />],
              ["Runtime", <StatusBadge key="runtime" state={resource.runtime} />],
              ["Build stage", builder.stage],
              ["Built", `${builder.numberOfProcessedResources} of ${builder.numberOfWantedResources}`],
              ["Running objects", String(resource.cloudKernelResources.length)],
              ["Generation", String(resource.generation)],
              ["Created", <RelativeTime key="created" at={resource.created} />],
              ["Updated", <RelativeTime key="updated" at={resource.updated} />],
            ]}
          />
        </Surface>
      </SimpleGrid>
    </>
  );
}

function Tags({ tags }: { tags: readonly string[] }): ReactElement | null {
  if (tags.length === 0) return null;
  return (
    <Group gap={4}>
      {tags.map((tag) => (
        <Badge key={tag} variant="default" tt="none" fw={500}>
          {tag}
        </Badge>
      ))}
    </Group>
  );
}

function descriptionOf(resource: Resource): string {
  const text: unknown = resource.manifest?.description;
  return typeof text === "string" ? text : "";
}
