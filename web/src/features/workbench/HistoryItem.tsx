import { Button, Group, Text } from "@mantine/core";
import type { ReactElement } from "react";

import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import classes from "./Items.module.css";
import type { Statement } from "./queries";
import type { Tab } from "./state";
import { counted } from "./values";

interface Props {
  item: Statement;
  onOpen: (given: Partial<Tab>) => void;
}

/** One statement of the past. */
export function HistoryItem({ item, onOpen }: Props): ReactElement {
  const rows = item.rows === null ? "" : ` · ${counted(item.rows, "row")}`;
  const error = item.error === "" ? "" : ` · ${item.error}`;
  return (
    <article className={classes.item} aria-label={item.sql.slice(0, 80)}>
      <Group justify="space-between" gap="xs">
        <Group gap="xs">
          <StatusBadge state={item.state} />
          <Text size="sm" c="dimmed">
            <RelativeTime at={item.created} /> · {item.cluster}
            {rows}
            {error}
          </Text>
        </Group>
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => onOpen({ text: item.sql, cluster: item.cluster === "miniature" ? null : item.cluster })}
        >
          Open
        </Button>
      </Group>
      <pre className={classes.sql}>{item.sql}</pre>
    </article>
  );
}
