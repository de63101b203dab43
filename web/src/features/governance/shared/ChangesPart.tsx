import { Text, Timeline } from "@mantine/core";
import { IconHistory } from "@tabler/icons-react";
import type { ReactElement } from "react";

import type { components } from "@/api/schema";
import { EmptyState } from "@/components/EmptyState";
import { RelativeTime } from "@/components/RelativeTime";
import { Surface } from "@/components/Surface";
import { AsyncPart } from "./AsyncPart";
import { detailOf } from "./changes";

type Change = components["schemas"]["IdentityChange"];

interface Props {
  query: { data: Change[] | undefined; error: unknown; refetch: () => unknown };
}

/** What happened to a user or a role, newest first. */
export function ChangesPart({ query }: Props): ReactElement {
  return (
    <AsyncPart query={query} failed="Changes cannot be shown">
      {(changes) =>
        changes.length === 0 ? (
          <EmptyState icon={<IconHistory />} title="Nothing has changed yet" />
        ) : (
          <Surface label="Changes">
            <Timeline bulletSize={12} lineWidth={2} active={changes.length}>
              {changes.map((change, position) => (
                <Timeline.Item key={`${change.at}-${position}`} title={change.change}>
                  <Text size="sm" c="dimmed">
                    <RelativeTime at={change.at} /> · by {change.by}
                  </Text>
                  {detailOf(change) !== "" && <Text size="sm">{detailOf(change)}</Text>}
                </Timeline.Item>
              ))}
            </Timeline>
          </Surface>
        )
      }
    </AsyncPart>
  );
}
