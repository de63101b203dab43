import { Group, Select } from "@mantine/core";
import type { ReactElement } from "react";

import { LIMITS, type Choices } from "./choices";
import type { Option } from "./options";
import { partsOf } from "./sql";

interface Props {
  choices: Choices;
  options: readonly Option[];
  onChange: (choices: Choices) => void;
}

const count = new Intl.NumberFormat("en");

/** In which order, and how many. */
export function OrderRow({ choices, options, onChange }: Props): ReactElement {
  const { groups, measures } = partsOf(choices);
  const parts = [...groups, ...measures].map(({ title }) => title);
  const shown = choices.columns ?? options.map(({ value }) => value);
  const names = [...new Set(parts.length > 0 ? parts : shown)];
  const chosen = names.includes(choices.order ?? "") ? choices.order : undefined;
  return (
    <Group gap={6} wrap="nowrap" align="flex-end">
      <Select
        label="Order by"
        placeholder="as it comes"
        data={names}
        value={chosen ?? null}
        searchable
        clearable
        clearButtonProps={{ "aria-label": "No order" }}
        flex={1}
        onChange={(order) => onChange({ ...choices, order: order ?? undefined })}
      />
      {chosen !== undefined && (
        <Select
          aria-label="Direction"
          data={[
            { value: "up", label: "upwards" },
            { value: "down", label: "downwards" },
          ]}
          value={choices.descending === true ? "down" : "up"}
          allowDeselect={false}
          w={120}
          onChange={(way) => onChange({ ...choices, descending: way === "down" ? true : undefined })}
        />
      )}
      <Select
        label="Rows"
        data={LIMITS.map((limit) => ({ value: String(limit), label: count.format(limit) }))}
        value={String(choices.limit ?? 1000)}
        allowDeselect={false}
        w={92}
        onChange={(limit) => onChange({ ...choices, limit: LIMITS.find((one) => String(one) === limit) })}
      />
    </Group>
  );
}
