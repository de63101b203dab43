import { Button, Group, SegmentedControl, Select } from "@mantine/core";
import { IconFilterOff } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { SearchBox } from "@/components/SearchBox";
import { FacetMenu } from "./FacetMenu";
import { facetsQuery } from "./queries";
import { cleared, countChosen, groupingOf, SORTS, type Group as Grouping, type ListSearch } from "./search";

interface Props {
  search: ListSearch;
  /** The same as the server is asked: behind what is being typed. */
  asked: ListSearch;
  onChange: (search: ListSearch) => void;
}

const NAMES: Record<string, string> = { usecase: "Use case" };
const GROUPINGS = [
  { value: "usecase", label: "Grouped by use case" },
  { value: "domain", label: "Grouped by domain" },
  { value: "none", label: "Not grouped" },
];

/** What of the products is shown, and how. */
export function ProductFilters({ search, asked, onChange }: Props): ReactElement {
  const { data: facets = [] } = useQuery(facetsQuery({ only: search.only }));
  const count = countChosen(search);
  return (
    <>
      <Group gap="xs" mb="xs">
        <SegmentedControl
          aria-label="Which products"
          value={search.only ?? "all"}
          onChange={(value) => onChange({ ...search, only: value === "all" ? undefined : value })}
          data={[
            { value: "all", label: "All" },
            { value: "recent", label: "Recent" },
            { value: "favorite", label: "Favourites" },
          ]}
        />
        <SearchBox
          label="Search name, use case, owner"
          value={search.q ?? ""}
          onChange={(q) => onChange({ ...search, q: q === "" ? undefined : q })}
        />
        {search.only !== "recent" && (
          <Select
            aria-label="Order"
            w={160}
            allowDeselect={false}
            data={SORTS.map(([value, label]) => ({ value, label }))}
            value={search.sort ?? "title"}
            onChange={(sort) => onChange({ ...search, sort: sort === "title" ? undefined : (sort ?? undefined) })}
          />
        )}
        {search.view !== "table" && (
          <Select
            aria-label="Grouping"
            w={200}
            allowDeselect={false}
            data={GROUPINGS}
            value={groupingOf(search)}
            onChange={(group) => onChange({ ...search, group: group as Grouping })}
          />
        )}
        <SegmentedControl
          aria-label="View"
          value={search.view ?? "cards"}
          onChange={(view) => onChange({ ...search, view: view === "table" ? view : undefined })}
          data={[
            { value: "cards", label: "Cards" },
            { value: "table", label: "Table" },
          ]}
        />
      </Group>
      <Group gap="xs" mb="md" role="group" aria-label="Filters">
        {facets.map(({ id, title }) => (
          <FacetMenu key={id} id={id} label={NAMES[id] ?? title} search={search} asked={asked} onChange={onChange} />
        ))}
        {count > 0 && (
          <Button
            variant="subtle"
            leftSection={<IconFilterOff size={16} aria-hidden />}
            onClick={() => onChange({ ...cleared(search), q: search.q })}
          >
            Clear {count === 1 ? "filter" : `${count} filters`}
          </Button>
        )}
      </Group>
    </>
  );
}
