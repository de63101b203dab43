import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { FilterMenu } from "@/components/FilterMenu";
import { facetsQuery } from "./queries";
import { chosenOf, withChosen, type ListSearch } from "./search";

interface Props {
  /** As the server names the group. */
  id: string;
  label: string;
  search: ListSearch;
  asked: ListSearch;
  onChange: (search: ListSearch) => void;
}

/**
 * A filter group. What it counts is what the other groups leave: of its own values one may choose a second one. Groups
 * of which nothing is chosen ask the same, and so ask once.
 */
export function FacetMenu({ id, label, search, asked, onChange }: Props): ReactElement {
  const chosen = chosenOf(search, id);
  const { data = [] } = useQuery(facetsQuery(withChosen(asked, id, [])));
  const counted = data.find((facet) => facet.id === id)?.values ?? [];
  const gone = chosen.filter((value) => counted.every((option) => option.value !== value));
  const options = [
    ...counted.map(({ value, count, title }) => [value, count, title] as const),
    ...gone.map((value) => [value, 0, value] as const),
  ];
  return (
    <FilterMenu
      label={label}
      options={options}
      chosen={chosen}
      onChange={(values) => onChange(withChosen(search, id, values))}
    />
  );
}
