import { Group, MultiSelect, Select, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState, type ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";
import { firstPivot, pivotOf, type Aggregate, type Pivot } from "./pivoting";
import { PivotTable } from "./PivotTable";
import { firstRowsQuery, PIVOTED } from "./queries";
import type { Answer } from "./state";
import { counted, isNumeric } from "./values";

const AGGREGATES: readonly { value: Aggregate; label: string }[] = [
  { value: "count", label: "Count" },
  { value: "sum", label: "Sum" },
  { value: "average", label: "Average" },
  { value: "least", label: "Least" },
  { value: "greatest", label: "Greatest" },
];

/** An answer's first rows in groups, with totals. */
export function ResultPivot({ handle, answer }: { handle: string; answer: Answer }): ReactElement {
  const { columns } = answer;
  const { data, error, refetch } = useQuery(firstRowsQuery(handle, PIVOTED));
  const [pivot, setPivot] = useState(() => firstPivot(columns));
  const table = useMemo(() => (data === undefined ? null : pivotOf(data, pivot)), [data, pivot]);
  if (error !== null) {
    return <ErrorState error={error} title="The rows cannot be grouped" onRetry={() => void refetch()} />;
  }
  const options = columns.map(({ name }, position) => ({ value: String(position), label: name }));
  const numbers = options.filter(({ value }) => isNumeric(columns[Number(value)]?.type ?? ""));
  const change = (part: Partial<Pivot>): void => setPivot({ ...pivot, ...part });
  const one = (value: string | null): number | null => (value === null ? null : Number(value));
  return (
    <Surface label="Pivot">
      <Stack gap="sm">
        <Group gap="sm" align="flex-end">
          <MultiSelect
            label="Down"
            data={options}
            value={pivot.down.map(String)}
            onChange={(values) => change({ down: values.map(Number) })}
          />
          <Select
            label="Across"
            data={options}
            value={pivot.across === null ? null : String(pivot.across)}
            onChange={(value) => change({ across: one(value) })}
            placeholder="nothing"
            clearable
          />
          <Select
            label="Aggregate"
            data={AGGREGATES}
            value={pivot.aggregate}
            allowDeselect={false}
            onChange={(value) => change({ aggregate: value ?? "count" })}
          />
          {pivot.aggregate !== "count" && (
            <Select
              label="Of"
              data={numbers}
              value={pivot.value === null ? null : String(pivot.value)}
              onChange={(value) => change({ value: one(value) })}
              placeholder="a column of numbers"
            />
          )}
        </Group>
        {table === null ? (
          <Skeletons rows={4} />
        ) : (
          <PivotTable table={table} titles={pivot.down.map((position) => columns[position]?.name ?? "")} />
        )}
        {(answer.rowCount ?? 0) > PIVOTED && (
          <Text size="sm" c="dimmed">
            Of the first {counted(PIVOTED, "row")} of {counted(answer.rowCount ?? 0, "row")}. GROUP BY takes all.
          </Text>
        )}
      </Stack>
    </Surface>
  );
}
