import { Group, Select, Text } from "@mantine/core";
import type { ReactElement } from "react";

interface Props {
  rowCount: number;
  size: number;
  block: number;
  onChange: (block: number) => void;
}

const whole = new Intl.NumberFormat("en");

/** Which rows of a very long answer are looked at; nothing for shorter ones. */
export function RowBlocks({ rowCount, size, block, onChange }: Props): ReactElement | null {
  const count = Math.ceil(rowCount / size);
  if (count < 2) return null;
  const options = Array.from({ length: count }, (_, position) => ({
    value: String(position),
    label: `${whole.format(position * size + 1)} to ${whole.format(Math.min((position + 1) * size, rowCount))}`,
  }));
  return (
    <Group gap="xs" mt="xs">
      <Text size="sm">Rows</Text>
      <Select
        aria-label="Rows that are shown"
        size="xs"
        data={options}
        value={String(block)}
        allowDeselect={false}
        onChange={(value) => onChange(Number(value))}
      />
      <Text size="sm" c="dimmed">
        of {whole.format(rowCount)}
      </Text>
    </Group>
  );
}
