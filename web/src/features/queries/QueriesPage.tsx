import { Button, Group, Select } from "@mantine/core";
import { IconFilterOff, IconSql } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
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
import { columnsOf } from "./columns";
import { statementsQuery } from "./queries";
import type { QueriesSearch } from "./routes";
import { chosenOf, FILTERS, isUnderWay } from "./statements";
import { useWhose } from "./useWhose";
import { WhoseStatements } from "./WhoseStatements";

const LONGER = [
  { value: "1", label: "Longer than 1 s" },
  { value: "10", label: "Longer than 10 s" },
  { value: "60", label: "Longer than 1 min" },
  { value: "600", label: "Longer than 10 min" },
];

/** Operations > Queries: statements that wait, run or ended, as far as the reader may know of them. */
export default function QueriesPage(): ReactElement {
  const search = useSearch({ from: "/shell/operations/queries" });
  const navigate = useNavigate({ from: "/operations/queries" });
  const whose = useWhose(search.whose);
  const { data, dataUpdatedAt, isPending, isError, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useInfiniteQuery(statementsQuery(whose === "all"));
  const now = useMemo(() => new Date(dataUpdatedAt), [dataUpdatedAt]);
  const read = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  const shown = useMemo(() => chosenOf(read, search, now), [read, search, now]);
  const columns = useMemo(() => columnsOf(now), [now]);
  const change = (part: QueriesSearch): void => void navigate({ search: { ...search, ...part }, replace: true });
  return (
    <>
      <PageHeader
        title="Queries"
        description={
          data === undefined
            ? "Statements that wait, run or ended"
            : `${shown.length} of ${read.length}${hasNextPage ? " newest" : ""}, ${read.filter(isUnderWay).length} under way`
        }
        actions={
          <>
            <WhoseStatements whose={whose} onChange={(value) => change({ whose: value, user: undefined })} />
            <LinkButton to="/operations/queries/analysis" search={{ whose: search.whose }} variant="default">
              Cluster analysis
            </LinkButton>
          </>
        }
      />
      <Group gap="xs" mb="md">
        <SearchBox
          label="Search statements"
          value={search.q ?? ""}
          onChange={(q) => change({ q: q === "" ? undefined : q })}
        />
        {FILTERS.filter(({ key }) => key !== "user" || whose === "all").map(({ key, label, of }) => (
          <FilterMenu
            key={key}
            label={label}
            options={countsOf(read, of)}
            chosen={search[key] ?? []}
            onChange={(chosen) => change({ [key]: chosen.length > 0 ? chosen : undefined })}
          />
        ))}
        <Select
          aria-label="Longer than"
          placeholder="Of any length"
          data={LONGER}
          value={search.longer === undefined ? null : String(search.longer)}
          onChange={(value) => change({ longer: value === null ? undefined : Number(value) })}
          clearable
          w={180}
        />
      </Group>
      {isPending && <Skeletons rows={10} height={40} />}
      {isError && <ErrorState error={error} title="Statements cannot be shown" onRetry={() => void refetch()} />}
      {data !== undefined && read.length === 0 && (
        <EmptyState icon={<IconSql />} title="Nothing was asked yet">
          Statements stand here as soon as they wait or run, whichever way they came: <code>dataos query</code>, a BI
          tool, a job.
        </EmptyState>
      )}
      {read.length > 0 && shown.length === 0 && (
        <EmptyState
          icon={<IconFilterOff />}
          title="Nothing matches"
          action={
            <Button variant="default" onClick={() => void navigate({ search: { whose: search.whose }, replace: true })}>
              Clear search and filters
            </Button>
          }
        />
      )}
      {shown.length > 0 && <DataTable label="Statements" rows={shown} columns={columns} idOf={(s) => s.id} />}
      {hasNextPage && (
        <Group justify="center" mt="sm">
          <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Older statements
          </Button>
        </Group>
      )}
    </>
  );
}
