import { Text } from "@mantine/core";
import { IconChartBar } from "@tabler/icons-react";
import { useMemo, type ReactElement } from "react";

import Chart from "@/components/Chart";
import { EmptyState } from "@/components/EmptyState";
import { Surface } from "@/components/Surface";
import { drawnOf } from "./series";
import type { Built } from "./sql";
import type { Rows } from "./statements";

interface Props {
  kind: "bar" | "line";
  /** What the rows are an answer to; null: choices that have changed since. */
  built: Built | null;
  rows: Rows;
}

const NONE: string[] = [];

/** An answer of groups as bars or lines. */
export function ResultChart({ kind, built, rows }: Props): ReactElement {
  const groups = built !== null && "sql" in built ? built.groups.length : 0;
  const measures = built !== null && "sql" in built ? built.measures : NONE;
  const names = measures.join("\n"); // lists are made anew with each keystroke, their names are not
  const drawn = useMemo(
    () => drawnOf(rows.rows, groups, names === "" ? NONE : names.split("\n")),
    [rows, groups, names],
  );
  if (built === null) {
    return (
      <EmptyState icon={<IconChartBar />} title="The choices have changed">
        Press Show to draw what they stand for now.
      </EmptyState>
    );
  }
  if (measures.length === 0) {
    return (
      <EmptyState icon={<IconChartBar />} title="Rows as they are have no picture">
        Group by a column: the rows of each of its values are then counted, or measured as you choose.
      </EmptyState>
    );
  }
  const what = groups < 2 ? measures.join(", ") : (measures[0] ?? "");
  const by = "sql" in built ? built.groups.join(" and ") : "";
  return (
    <Surface>
      <Chart
        kind={kind}
        categories={drawn.categories}
        series={drawn.series}
        label={`${what}${by === "" ? "" : ` by ${by}`}. The table shows the numbers.`}
        height={420}
      />
      {drawn.left > 0 && (
        <Text size="sm" c="dimmed">
          {drawn.left} more are in the table, too many to draw.
        </Text>
      )}
      {groups === 2 && measures.length > 1 && (
        <Text size="sm" c="dimmed">
          Two groups have room for one measure: {what}.
        </Text>
      )}
    </Surface>
  );
}
