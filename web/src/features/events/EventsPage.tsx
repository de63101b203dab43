import { Button, Group, Select } from "@mantine/core";
import { IconFilterOff, IconHistory } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type ReactElement } from "react";

import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { FilterMenu } from "@/components/FilterMenu";
import { PageHeader } from "@/components/PageHeader";
import { SearchBox } from "@/components/SearchBox";
import { Skeletons } from "@/components/Skeletons";
import type { Happening } from "@/features/resources/queries";
import { countsOf } from "@/lib/counting";
import { useNow } from "@/lib/now";
import { count } from "@/lib/sizes";
import { COLUMNS } from "./columns";
import { EventDrawer } from "./EventDrawer";
import { chosenOf, FILTERS } from "./happenings";
import { eventsQuery, FEW, MANY } from "./queries";
import type { EventsSearch } from "./routes";

const NONE: readonly Happening[] = [];
const WITHIN = [
  { value: "1", label: "The last hour" },
  { value: "24", label: "The last day" },
  { value: "168", label: "The last week" },
];

/** Operations > Events: what happened lately to what the reader may see; new ones come by themselves. */
export default function EventsPage(): ReactElement {
  const search = useSearch({ from: "/shell/operations/events" });
  const navigate = useNavigate({ from: "/operations/events" });
  const now = useNow();
  const many = search.many === true;
  const {
    data: seen,
    isPending,
    isError,
    error,
    refetch,
    isPlaceholderData,
  } = useQuery({
    ...eventsQuery(many),
    placeholderData: keepPreviousData,
  });
  const data = seen?.items ?? NONE;
  const shown = useMemo(() => chosenOf(data, search, now), [data, search, now]);
  const change = (part: EventsSearch): void =>
    void navigate({ search: { ...search, ...part }, replace: true, resetScroll: false });
  return (
    <>
      <PageHeader
        title="Events"
        description={
          isPending ? "What happened lately" : `${count(shown.length)} of the newest ${count(data.length)}, live`
        }
      />
      <Group gap="xs" mb="md">
        <SearchBox
          label="Search events"
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
        <Select
          aria-label="When"
          placeholder="At any time"
          data={WITHIN}
          value={search.within === undefined ? null : String(search.within)}
          onChange={(value) => change({ within: value === null ? undefined : Number(value) })}
          clearable
          w={170}
        />
      </Group>
      {isPending && <Skeletons rows={10} height={40} />}
      {isError && <ErrorState error={error} title="Events cannot be shown" onRetry={() => void refetch()} />}
      {!isPending && !isError && data.length === 0 && (
        <EmptyState icon={<IconHistory />} title="Nothing happened lately">
          Events of what you may read stand here. Old ones go by themselves (setting <code>keep.events_days</code>).
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
        <DataTable label="Events" rows={shown} columns={COLUMNS} idOf={(item) => String(item.seq)} />
      )}
      {!many && data.length === FEW && (
        <Group justify="center" mt="sm">
          <Button variant="default" loading={isPlaceholderData} onClick={() => change({ many: true })}>
            Read the newest {count(MANY)}
          </Button>
        </Group>
      )}
      <EventDrawer seq={search.event} onClose={() => change({ event: undefined })} />
    </>
  );
}
