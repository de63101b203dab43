import { Button, Group, Text } from "@mantine/core";
import { IconFilterOff, IconPlus, IconSubtask } from "@tabler/icons-react";
import { useQueries, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type ReactElement } from "react";

import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { FilterMenu } from "@/components/FilterMenu";
import { LinkButton } from "@/components/LinkButton";
import { PageHeader } from "@/components/PageHeader";
import { SearchBox } from "@/components/SearchBox";
import { Skeletons } from "@/components/Skeletons";
import { countsOf } from "@/lib/counting";
import { resourcesQuery, type Summary } from "@/features/resources/queries";
import { COLUMNS } from "./columns";
import type { Flow } from "./flow";
import { flowQuery } from "./queries";
import type { WorkflowsSearch } from "./routes";
import { chosenOf, FILTERS, type WorkflowRow } from "./rows";

const NONE: Summary[] = [];
/** Schedule and runs are read one by one: beyond so many Workflows they are left to each one's own page. */
const MOST_READ = 300;

const flowsOf = (results: UseQueryResult<Flow>[]): (Flow | undefined)[] => results.map((result) => result.data);

/** Operations > Workflows: all that one may see, filtered by the address. */
export default function WorkflowsPage(): ReactElement {
  const search = useSearch({ from: "/shell/operations/workflows" });
  const navigate = useNavigate({ from: "/operations/workflows" });
  const { data = NONE, isPending, isError, error, refetch } = useQuery(resourcesQuery);
  const summaries = useMemo(() => data.filter((resource) => resource.type === "workflow"), [data]);
  const flows = useQueries({
    queries: summaries
      .slice(0, MOST_READ)
      .map(({ name, workspace }) => flowQuery({ name, workspace: workspace ?? "" })),
    combine: flowsOf,
  });
  const rows = useMemo(
    () => summaries.map((summary, position): WorkflowRow => ({ summary, flow: flows[position] })),
    [summaries, flows],
  );
  const shown = useMemo(() => chosenOf(rows, search), [rows, search]);
  const change = (part: WorkflowsSearch): void => void navigate({ search: { ...search, ...part }, replace: true });
  return (
    <>
      <PageHeader
        title="Workflows"
        description={isPending ? "Jobs that run once or on a schedule" : `${shown.length} of ${rows.length}`}
        actions={
          <LinkButton to="/operations/apply" leftSection={<IconPlus size={16} aria-hidden />}>
            Apply a manifest
          </LinkButton>
        }
      />
      <Group gap="xs" mb="md">
        <SearchBox
          label="Search names"
          value={search.q ?? ""}
          onChange={(q) => change({ q: q === "" ? undefined : q })}
        />
        {FILTERS.map(({ key, label, of }) => (
          <FilterMenu
            key={key}
            label={label}
            options={countsOf(rows, of)}
            chosen={search[key] ?? []}
            onChange={(chosen) => change({ [key]: chosen.length > 0 ? chosen : undefined })}
          />
        ))}
      </Group>
      {isPending && <Skeletons rows={10} height={40} />}
      {isError && <ErrorState error={error} title="Workflows cannot be shown" onRetry={() => void refetch()} />}
      {!isPending && !isError && rows.length === 0 && (
        <EmptyState
          icon={<IconSubtask />}
          title="There are no Workflows yet"
          action={<LinkButton to="/operations/apply">Apply a manifest</LinkButton>}
        >
          A Workflow runs jobs in the order of their dependencies. <code>dataos develop generate -t workflow</code>{" "}
          writes one to begin with.
        </EmptyState>
      )}
      {rows.length > 0 && shown.length === 0 && (
        <EmptyState
          icon={<IconFilterOff />}
          title="Nothing matches"
          action={
            <Button variant="default" onClick={() => void navigate({ search: {}, replace: true })}>
              Clear search and filters
            </Button>
          }
        />
      )}
      {shown.length > 0 && (
        <DataTable label="Workflows" rows={shown} columns={COLUMNS} idOf={({ summary }) => summary.uid} />
      )}
      {rows.length > MOST_READ && (
        <Text c="dimmed" size="sm" mt="xs">
          Schedule and last run are shown of the first {MOST_READ} Workflows; the others tell them on their own pages.
        </Text>
      )}
    </>
  );
}
