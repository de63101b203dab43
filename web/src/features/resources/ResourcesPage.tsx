import { Button, Group } from "@mantine/core";
import { IconBoxOff, IconFilterOff, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type ReactElement } from "react";

import { LinkButton } from "@/components/LinkButton";
import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { FilterMenu } from "@/components/FilterMenu";
import { PageHeader } from "@/components/PageHeader";
import { SearchBox } from "@/components/SearchBox";
import { Skeletons } from "@/components/Skeletons";
import { countsOf } from "@/lib/counting";
import { COLUMNS } from "./columns";
import { chosenOf, FILTERS } from "./filtering";
import { resourcesQuery, type Summary } from "./queries";
import type { ListSearch } from "./routes";

const NONE: Summary[] = [];

/** Operations > Resources: all that one may see, filtered by the address. */
export default function ResourcesPage(): ReactElement {
  const search = useSearch({ from: "/shell/operations/resources" });
  const navigate = useNavigate({ from: "/operations/resources" });
  const { data = NONE, isPending, isError, error, refetch } = useQuery(resourcesQuery);
  const shown = useMemo(() => chosenOf(data, search), [data, search]);
  const change = (part: ListSearch): void => void navigate({ search: { ...search, ...part }, replace: true });
  return (
    <>
      <PageHeader
        title="Resources"
        description={isPending ? "What this installation runs on" : `${shown.length} of ${data.length}`}
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
            options={countsOf(data, of)}
            chosen={search[key] ?? []}
            onChange={(chosen) => change({ [key]: chosen.length > 0 ? chosen : undefined })}
          />
        ))}
      </Group>
      {isPending && <Skeletons rows={10} height={40} />}
      {isError && <ErrorState error={error} title="Resources cannot be shown" onRetry={() => void refetch()} />}
      {!isPending && !isError && data.length === 0 && (
        <EmptyState icon={<IconBoxOff />} title="There is nothing here yet">
          Apply a manifest here, or with <code>dataos apply -f FILE</code>. You see what you may read: ask an operator
          if something is missing.
        </EmptyState>
      )}
      {data.length > 0 && shown.length === 0 && (
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
        <DataTable label="Resources" rows={shown} columns={COLUMNS} idOf={(resource) => resource.uid} />
      )}
    </>
  );
}
