import { Button, Group, Text } from "@mantine/core";
import { IconHistory } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, type ReactElement } from "react";

import { MOMENT_WIDTH, stateColumn } from "@/components/columns";
import { DataTable, type Column } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Lasted } from "@/components/Lasted";
import { Link } from "@/components/Link";
import { RelativeTime } from "@/components/RelativeTime";
import { Skeletons } from "@/components/Skeletons";
import { secondsFrom } from "@/lib/durations";
import { causeOf, wordOf, type Run } from "./flow";
import { runsQuery, type Which } from "./queries";

/** All runs that are kept, newest first. `shown`: the one that the page shows. */
export function RunsTable({ which, shown }: { which: Which; shown: string | undefined }): ReactElement {
  const { data, isPending, isError, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    runsQuery(which),
  );
  const runs = useMemo(() => data?.pages.flatMap((page) => page.runs) ?? [], [data]);
  const columns = useMemo(() => columnsOf(shown), [shown]);
  if (isPending) return <Skeletons rows={4} />;
  if (isError) return <ErrorState error={error} title="Runs cannot be shown" onRetry={() => void refetch()} />;
  if (runs.length === 0) {
    return (
      <EmptyState icon={<IconHistory />} title="It has not run yet">
        Runs stand here from the first on, with why they failed.
      </EmptyState>
    );
  }
  return (
    <>
      <DataTable label="Runs" rows={runs} columns={columns} idOf={(run) => run.id} />
      {hasNextPage && (
        <Group justify="center" mt="sm">
          <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Older runs
          </Button>
        </Group>
      )}
    </>
  );
}

const columnsOf = (shown: string | undefined): readonly Column<Run>[] => [
  {
    id: "run",
    header: "Run",
    value: (run) => run.id,
    width: 2.1,
    cell: (run) => (
      <Group gap="xs" wrap="nowrap">
        <Link
          from="/operations/workflows/$workspace/$name"
          to="."
          search={{ run: run.id }}
          resetScroll={false}
          fw={550}
          aria-current={run.id === shown ? "true" : undefined}
        >
          {run.id}
        </Link>
        {run.id === shown && (
          <Text span size="sm" c="dimmed">
            shown
          </Text>
        )}
      </Group>
    ),
  },
  stateColumn("state", "State", wordOf, 1.2),
  {
    id: "started",
    header: "Started",
    value: (run) => run.started ?? run.created,
    width: 1.6,
    least: MOMENT_WIDTH,
    cell: (run) => <RelativeTime at={run.started} />,
  },
  {
    id: "took",
    header: "Duration",
    value: (run) => secondsFrom(run.started, run.finished, new Date()) ?? -1,
    width: 1,
    cell: (run) => <Lasted of={run} />,
  },
  { id: "began", header: "Began", value: causeOf, width: 1.2 },
  { id: "progress", header: "Jobs done", value: (run) => run.progress, width: 0.9 },
  { id: "reason", header: "Reason", value: (run) => run.reason, width: 2.6 },
];
