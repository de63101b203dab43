import { Group, Text } from "@mantine/core";
import type { ReactElement } from "react";

import { CopyButton } from "@/components/CopyButton";
import classes from "./Grid.module.css";
import { textOf } from "./values";

interface Props {
  column: { name: string; type: string } | undefined;
  row: number;
  value: unknown;
}

/** The whole value of the cell that is chosen. */
export function CellDetail({ column, row, value }: Props): ReactElement {
  return (
    <Group gap="sm" wrap="nowrap" align="flex-start" className={classes.detail}>
      <Text size="sm" c="dimmed" className={classes.place}>
        {column?.name}, row {row}
      </Text>
      {/* a region that scrolls must be reachable by keyboard */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre className={classes.value} tabIndex={0} role="region" aria-label="Value" data-null={value === null}>
        {textOf(value)}
      </pre>
      <CopyButton value={value === null ? "" : textOf(value)} label="Copy the value" />
    </Group>
  );
}
