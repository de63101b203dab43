import { Group, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { DescriptionList } from "@/components/DescriptionList";
import { Drawer } from "@/components/Drawer";
import { ErrorState } from "@/components/ErrorState";
import { LinkButton } from "@/components/LinkButton";
import { RelativeTime } from "@/components/RelativeTime";
import { Skeletons } from "@/components/Skeletons";
import { StatusBadge } from "@/components/StatusBadge";
import { EndBanner } from "./EndBanner";
import { FavoriteButton } from "./FavoriteButton";
import { QualityBadges } from "./QualityBadges";
import { cardQuery, datasetsQuery, type Card } from "./queries";

/** Quick facts of a product beside the list. */
export function ProductPreview({ name, onClose }: { name: string | undefined; onClose: () => void }): ReactElement {
  const [last, setLast] = useState(name);
  if (name !== undefined && name !== last) setLast(name); // what was shown stays there while the drawer goes away
  const { data, error, refetch } = useQuery({ ...cardQuery(last ?? ""), enabled: last !== undefined });
  return (
    <Drawer opened={name !== undefined} onClose={onClose} title={data?.title ?? last ?? ""}>
      {error !== null && <ErrorState error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeletons />}
      {data === null && <Text>There is no such product, or it is not yours to see.</Text>}
      {data !== undefined && data !== null && <Facts card={data} />}
    </Drawer>
  );
}

function Facts({ card }: { card: Card }): ReactElement {
  const outputs = useQuery(datasetsQuery(card.name, "output"));
  return (
    <Stack gap="md">
      <Group gap="xs">
        <LinkButton to="/products/$name" params={{ name: card.name }}>
          Open
        </LinkButton>
        <FavoriteButton name={card.name} title={card.title} favorite={card.favorite} />
      </Group>
      <EndBanner banner={card.banner} />
      <Text>{card.description === "" ? "No description." : card.description}</Text>
      <QualityBadges quality={card.quality} />
      <DescriptionList
        items={[
          ["Stage", <StatusBadge key="stage" state={card.stage} />],
          ["Tier", card.tiers.join(", ")],
          ["Domain", card.domains.join(", ")],
          ["Use case", card.useCases.join(", ")],
          ["Tags", card.tags.join(", ")],
          ["Owner", card.ownerName],
          ["Updated", <RelativeTime key="updated" at={card.updated} />],
          ["Address", card.id],
        ]}
      />
      <Title order={3} fz="1rem">
        Outputs
      </Title>
      {outputs.error !== null && <ErrorState error={outputs.error} onRetry={() => void outputs.refetch()} />}
      {outputs.data === undefined && outputs.error === null && <Skeletons rows={2} />}
      {outputs.data?.length === 0 && <Text c="dimmed">It makes no datasets.</Text>}
      {outputs.data?.map((dataset, position) => (
        <Group key={dataset.address ?? position} justify="space-between" gap="xs">
          <Text>{dataset.name}</Text>
          <StatusBadge state={dataset.access} />
        </Group>
      ))}
    </Stack>
  );
}
