import { Group, Stack } from "@mantine/core";
import type { ReactElement } from "react";

import type { components } from "@/api/schema";
import { Link } from "@/components/Link";
import { ProblemList } from "@/components/ProblemList";
import { StatusBadge } from "@/components/StatusBadge";
import { whereOf } from "./where";

type Item = components["schemas"]["Applied"];

/** What an apply did, with the way to each Resource. */
export function AppliedList({ items }: { items: readonly Item[] }): ReactElement {
  return (
    <Stack gap="md">
      {items.map((item) => (
        <Stack key={item.resource.id} gap="xs">
          <Group gap="xs">
            <StatusBadge state={item.action} />
            <Link to="/operations/resources/$type/$name" {...whereOf(item.resource)} fw={550}>
              {item.resource.id}
            </Link>
          </Group>
          {item.warnings.length > 0 && <ProblemList problems={item.warnings} tone="warn" />}
        </Stack>
      ))}
    </Stack>
  );
}
