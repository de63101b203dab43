import { ActionIcon, Button, Fieldset, Group, Stack } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import type { ReactElement, ReactNode } from "react";

interface Props<T> {
  /** What they are together: "Filters". */
  label: string;
  /** One of them: "filter". */
  one: string;
  items: readonly T[];
  /** How many there may be. */
  most: number;
  draw: (item: T, position: number, change: (item: T) => void) => ReactNode;
  make: () => T | undefined;
  onChange: (items: T[] | undefined) => void;
}

/** A few things of a kind, each in a line, that are added, changed and taken away. */
export function Rows<T>({ label, one, items, most, draw, make, onChange }: Props<T>): ReactElement {
  const made = make();
  return (
    <Fieldset legend={label} variant="unstyled">
      <Stack gap="xs">
        {items.map((item, position) => (
          <Group key={position} gap={6} wrap="nowrap" align="flex-end">
            {draw(item, position, (next) => onChange(items.map((old, at) => (at === position ? next : old))))}
            <ActionIcon
              variant="subtle"
              size="lg"
              aria-label={`Remove ${one} ${position + 1}`}
              onClick={() => {
                const left = items.filter((_, at) => at !== position);
                onChange(left.length > 0 ? left : undefined);
              }}
            >
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          </Group>
        ))}
        {items.length < most && made !== undefined && (
          <Button
            variant="subtle"
            size="compact-sm"
            w="fit-content"
            leftSection={<IconPlus size={14} aria-hidden />}
            onClick={() => onChange([...items, made])}
          >
            Add {one}
          </Button>
        )}
      </Stack>
    </Fieldset>
  );
}
