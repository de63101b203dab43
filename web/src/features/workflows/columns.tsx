import { Group, Text } from "@mantine/core";

import { BADGE_WIDTH, momentColumn, stateColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import { duration, secondsFrom } from "@/lib/durations";
import { lastOf, lastWordOf, nextOf, scheduleOf, stateOf, type WorkflowRow } from "./rows";

/** The list of Workflows. */
export const COLUMNS: readonly Column<WorkflowRow>[] = [
  {
    id: "name",
    header: "Name",
    value: ({ summary }) => summary.name,
    width: 2.3,
    cell: ({ summary }) => (
      <Link
        to="/operations/workflows/$workspace/$name"
        params={{ workspace: summary.workspace ?? "", name: summary.name }}
        fw={550}
      >
        {summary.name}
      </Link>
    ),
  },
  { id: "workspace", header: "Workspace", value: ({ summary }) => summary.workspace ?? "", width: 1.2 },
  stateColumn("state", "State", ({ summary }) => stateOf(summary), 1.4),
  { id: "schedule", header: "Schedule", value: scheduleOf, width: 2.2 },
  momentColumn("next", "Next run", nextOf, 1.2),
  {
    id: "last",
    header: "Last run",
    value: (row) => lastOf(row)?.created ?? "",
    width: 2.8,
    least: 2 * BADGE_WIDTH,
    cell: (row) => (
      <Group gap={6} wrap="nowrap">
        <StatusBadge state={lastWordOf(row)} />
        {lastOf(row) !== undefined && (
          <Text span size="sm" c="dimmed">
            <RelativeTime at={lastOf(row)?.started ?? lastOf(row)?.created ?? null} />
          </Text>
        )}
      </Group>
    ),
  },
  {
    id: "lasted",
    header: "It took",
    value: (row) => tookOf(row) ?? -1,
    width: 1,
    cell: (row) => {
      const seconds = tookOf(row);
      return seconds === null ? "–" : duration(seconds);
    },
  },
  { id: "owner", header: "Owner", value: ({ summary }) => summary.owner, width: 1 },
];

/** Only of runs that ended: a clock for each line would be much ado. */
function tookOf(row: WorkflowRow): number | null {
  const run = lastOf(row);
  if (run?.finished == null) return null;
  return secondsFrom(run.started, run.finished, new Date());
}
