import { Select, TextInput } from "@mantine/core";
import type { ReactElement } from "react";

import type { Choices, Filter, Operator } from "./choices";
import { familyOf, type Family } from "./families";
import type { Option } from "./options";
import { Rows } from "./Rows";

interface Props {
  choices: Choices;
  options: readonly Option[];
  onChange: (choices: Choices) => void;
}

const MOST = 20;
const WORDS: Record<Operator, string> = {
  eq: "is",
  ne: "is not",
  lt: "less than",
  le: "at most",
  gt: "more than",
  ge: "at least",
  has: "contains",
  begins: "begins with",
  empty: "is empty",
  filled: "is not empty",
};
const ORDERED: readonly Operator[] = ["eq", "ne", "lt", "le", "gt", "ge", "empty", "filled"];
const OFFERED: Record<Family, readonly Operator[]> = {
  text: ["eq", "ne", "has", "begins", "empty", "filled"],
  number: ORDERED,
  date: ORDERED,
  moment: ORDERED,
  truth: ["eq", "ne", "empty", "filled"],
  other: ["eq", "ne", "empty", "filled"],
};
const HINTS: Partial<Record<Family, string>> = {
  date: "2026-01-31",
  moment: "2026-01-31 12:00",
  truth: "true or false",
  number: "a number",
};

/** Which rows: all conditions must hold. */
export function FilterRows({ choices, options, onChange }: Props): ReactElement {
  return (
    <Rows<Filter>
      label="Filters"
      one="filter"
      items={choices.filters ?? []}
      most={MOST}
      make={() => (options[0] === undefined ? undefined : { column: options[0].value, is: "eq", value: "" })}
      onChange={(filters) => onChange({ ...choices, filters })}
      draw={(filter, position, change) => (
        <FilterRow filter={filter} number={position + 1} options={options} onChange={change} />
      )}
    />
  );
}

interface RowProps {
  filter: Filter;
  number: number;
  options: readonly Option[];
  onChange: (filter: Filter) => void;
}

function FilterRow({ filter, number, options, onChange }: RowProps): ReactElement {
  const family = familyOf(options.find(({ value }) => value === filter.column)?.type ?? "");
  const takes = filter.is !== "empty" && filter.is !== "filled";
  const choose = (column: string | null): void => {
    if (column === null) return;
    const next = familyOf(options.find(({ value }) => value === column)?.type ?? "");
    onChange({ ...filter, column, is: OFFERED[next].includes(filter.is) ? filter.is : "eq" });
  };
  return (
    <>
      <Select
        aria-label={`Column of filter ${number}`}
        data={[...options]}
        value={filter.column}
        searchable
        allowDeselect={false}
        flex={1}
        onChange={choose}
      />
      <Select
        aria-label={`Condition of filter ${number}`}
        data={OFFERED[family].map((value) => ({ value, label: WORDS[value] }))}
        value={filter.is}
        allowDeselect={false}
        w={104}
        onChange={(is) => onChange({ ...filter, is: is ?? "eq" })}
      />
      {takes && (
        <TextInput
          aria-label={`Value of filter ${number}`}
          placeholder={HINTS[family]}
          value={filter.value ?? ""}
          flex={1}
          onChange={(event) => onChange({ ...filter, value: event.currentTarget.value })}
        />
      )}
    </>
  );
}
