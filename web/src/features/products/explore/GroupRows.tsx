import { Select } from "@mantine/core";
import type { ReactElement } from "react";

import { SPANS, type Choices, type Grouping, type Span } from "./choices";
import { familyOf } from "./families";
import type { Option } from "./options";
import { Rows } from "./Rows";

interface Props {
  choices: Choices;
  options: readonly Option[];
  onChange: (choices: Choices) => void;
}

/** A picture has room for two: what stands along it, and its lines. */
const MOST = 2;

/** By which columns rows are put together. */
export function GroupRows({ choices, options, onChange }: Props): ReactElement {
  const isTime = (column: string): boolean =>
    ["date", "moment"].includes(familyOf(options.find(({ value }) => value === column)?.type ?? ""));
  const made = (column: string): Grouping => (isTime(column) ? { column, by: "month" } : { column });
  const items = choices.groups ?? [];
  const free = options.find(({ value }) => items.every(({ column }) => column !== value));
  return (
    <Rows<Grouping>
      label="Group by"
      one="group"
      items={items}
      most={MOST}
      make={() => (free === undefined ? undefined : made(free.value))}
      onChange={(groups) => onChange({ ...choices, groups, order: undefined, descending: undefined })}
      draw={(group, position, change) => (
        <>
          <Select
            aria-label={`Column of group ${position + 1}`}
            data={[...options]}
            value={group.column}
            searchable
            allowDeselect={false}
            flex={1}
            onChange={(column) => column !== null && change(made(column))}
          />
          {isTime(group.column) && (
            <Select
              aria-label={`Span of group ${position + 1}`}
              data={[{ value: "", label: "each" }, ...SPANS.map((value) => ({ value, label: `by ${value}` }))]}
              value={group.by ?? ""}
              allowDeselect={false}
              w={116}
              onChange={(by) => change({ column: group.column, by: SPANS.find((span): span is Span => span === by) })}
            />
          )}
        </>
      )}
    />
  );
}
