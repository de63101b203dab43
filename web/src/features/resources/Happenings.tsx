import { Group, Text, Timeline } from "@mantine/core";
import type { ReactElement } from "react";

import { RelativeTime } from "@/components/RelativeTime";
import type { Happening } from "./queries";

/** Events, newest first. */
export function Happenings({ items }: { items: readonly Happening[] }): ReactElement {
  return (
    <Timeline bulletSize={12} lineWidth={2} active={items.length}>
      {items.map((item) => (
        <Timeline.Item key={item.seq} title={wordsOf(item)}>
          <Group gap="xs">
            <Text size="sm" c="dimmed">
              <RelativeTime at={item.at} /> · {item.actor === "control" ? "by the platform" : `by ${item.actor}`}
            </Text>
          </Group>
          {detailOf(item) !== "" && <Text size="sm">{detailOf(item)}</Text>}
        </Timeline.Item>
      ))}
    </Timeline>
  );
}

/** "status: active, succeeded", "run.failed". */
export function wordsOf(item: Happening): string {
  if (item.kind !== "status") return item.kind;
  const { status, runtime } = item.data as { status?: string; runtime?: string };
  return [status, runtime].filter((word) => word !== undefined && word !== "").join(", ");
}

/** Why, where an event says so. */
export function detailOf(item: Happening): string {
  const { info, reason } = item.data as { info?: unknown; reason?: unknown };
  return [info, reason].filter((word) => typeof word === "string" && word !== "").join(" ");
}
