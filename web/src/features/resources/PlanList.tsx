import { Code, Group, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";

import type { components } from "@/api/schema";
import type { Problem } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import { StatusBadge } from "@/components/StatusBadge";

type Item = components["schemas"]["PlanItem"];

/** What an apply would do, document by document. */
export function PlanList({ items, onGo }: { items: readonly Item[]; onGo: (problem: Problem) => void }): ReactElement {
  return (
    <Stack gap="md">
      {items.map((item, position) => (
        <Stack key={item.resource?.id ?? position} gap="xs">
          <Group gap="xs">
            <StatusBadge state={item.action} />
            <Text fw={550}>{item.resource?.id ?? `document ${position + 1}`}</Text>
          </Group>
          {item.changes.map((change) => (
            <Text key={change.path} size="sm">
              <Code>{change.path}</Code> {short(change.from)} → {short(change.to)}
            </Text>
          ))}
          {item.warnings.length > 0 && <ProblemList problems={item.warnings} tone="warn" onGo={onGo} />}
        </Stack>
      ))}
    </Stack>
  );
}

const MOST = 80;

function short(value: unknown): string {
  const text =
    value === undefined || value === null ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);
  return text.length > MOST ? `${text.slice(0, MOST)}…` : text;
}
