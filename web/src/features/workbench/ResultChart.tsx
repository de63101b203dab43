import { Group, MultiSelect, SegmentedControl, Select, Stack, Text } from "@mantine/core";
import { IconChartBar } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState, type ReactElement } from "react";

import Chart from "@/components/Chart";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";
import { firstChoice, seriesOf, type Choice } from "./charting";
import { CHARTED, firstRowsQuery } from "./queries";
import type { Answer } from "./state";
import { counted, isNumeric } from "./values";

/** Bars or lines over an answer's first rows. Loads the chart library: it comes by React.lazy. */
export default function ResultChart({ handle, answer }: { handle: string; answer: Answer }): ReactElement {
  const { columns } = answer;
  const { data, error, refetch } = useQuery(firstRowsQuery(handle, CHARTED));
  const [choice, setChoice] = useState(() => firstChoice(columns));
  const drawn = useMemo(
    () => (choice === null || data === undefined ? null : seriesOf(columns, data, choice)),
    [columns, data, choice],
  );
  if (choice === null) {
    return (
      <EmptyState icon={<IconChartBar />} title="There is nothing to draw">
        A chart needs a column of numbers: count or sum something.
      </EmptyState>
    );
  }
  if (error !== null) {
    return <ErrorState error={error} title="The chart cannot be drawn" onRetry={() => void refetch()} />;
  }
  const options = columns.map(({ name }, position) => ({ value: String(position), label: name }));
  const change = (part: Partial<Choice>): void => setChoice({ ...choice, ...part });
  const names = choice.values.map((position) => columns[position]?.name).join(", ");
  return (
    <Surface label="Chart">
      <Stack gap="sm">
        <Group gap="sm" align="flex-end">
          <SegmentedControl
            aria-label="Kind of chart"
            value={choice.kind}
            onChange={(kind) => change({ kind })}
            data={[
              { value: "bar", label: "Bars" },
              { value: "line", label: "Lines" },
            ]}
          />
          <Select
            label="Along"
            data={options}
            value={String(choice.category)}
            allowDeselect={false}
            onChange={(value) => change({ category: Number(value) })}
          />
          <MultiSelect
            label="Values"
            data={options.filter(({ value }) => isNumeric(columns[Number(value)]?.type ?? ""))}
            value={choice.values.map(String)}
            onChange={(values) => change({ values: values.map(Number) })}
          />
        </Group>
        {drawn === null ? (
          <Skeletons rows={1} height={280} />
        ) : (
          <Chart
            kind={choice.kind}
            categories={drawn.categories}
            series={drawn.series}
            label={`${names} by ${columns[choice.category]?.name ?? ""}`}
            height={320}
          />
        )}
        {(answer.rowCount ?? 0) > CHARTED && (
          <Text size="sm" c="dimmed">
            The first {counted(CHARTED, "row")} of {counted(answer.rowCount ?? 0, "row")}. Aggregate to see all.
          </Text>
        )}
      </Stack>
    </Surface>
  );
}
