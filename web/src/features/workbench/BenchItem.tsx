import { ActionIcon, Button, Group, Text, Tooltip } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { useMe } from "@/app/me";
import { CopyButton } from "@/components/CopyButton";
import { RelativeTime } from "@/components/RelativeTime";
import classes from "./Items.module.css";
import type { BenchSummary } from "./queries";

const OPERATOR = "roles:id:operator";

interface Props {
  bench: BenchSummary;
  busy: boolean;
  onOpen: () => void;
  onDelete: () => void;
}

/** One kept bench. */
export function BenchItem({ bench, busy, onOpen, onDelete }: Props): ReactElement {
  const { user } = useMe();
  const shared = { private: "only you", all: "everybody", tags: bench.tags.join(", ") }[bench.sharing];
  const deletes = bench.owner === user.id || user.tags.includes(OPERATOR);
  return (
    <article className={classes.item} aria-label={bench.name}>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <div>
          <Text fw={600}>{bench.name}</Text>
          <Text size="sm" c="dimmed">
            {bench.owner === user.id ? "yours" : `by ${bench.owner}`} · read by {shared} ·{" "}
            <RelativeTime at={bench.updated} />
          </Text>
        </div>
        <Group gap={6} wrap="nowrap">
          <CopyButton
            label={`Copy link to ${bench.name}`}
            value={`${window.location.origin}/workbench?bench=${encodeURIComponent(bench.id)}`}
          />
          {deletes && (
            <Tooltip label={`Delete ${bench.name}`}>
              <ActionIcon variant="default" aria-label={`Delete ${bench.name}`} onClick={onDelete}>
                <IconTrash size={16} />
              </ActionIcon>
            </Tooltip>
          )}
          <Button size="xs" loading={busy} onClick={onOpen}>
            Open
          </Button>
        </Group>
      </Group>
      <pre className={classes.sql}>{bench.excerpt}</pre>
    </article>
  );
}
