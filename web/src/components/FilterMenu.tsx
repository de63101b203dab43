import { Button, Checkbox, Group, Popover, ScrollArea, Stack, Text } from "@mantine/core";
import { IconChevronDown } from "@tabler/icons-react";
import type { ReactElement } from "react";

interface Props {
  label: string;
  /** Each value with how many have it, and its name where that is another. */
  options: readonly (readonly [string, number, string?])[];
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
}

/** Several values of one property; none chosen means any. */
export function FilterMenu({ label, options, chosen, onChange }: Props): ReactElement {
  return (
    <Popover position="bottom-start" shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <Button
          variant={chosen.length > 0 ? "light" : "default"}
          rightSection={<IconChevronDown size={14} aria-hidden />}
          aria-label={`Filter by ${label.toLowerCase()}${chosen.length > 0 ? `: ${chosen.join(", ")}` : ""}`}
        >
          {label}
          {chosen.length > 0 && ` (${chosen.length})`}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={label}>
        <Stack gap="xs" miw={200}>
          <ScrollArea.Autosize mah={280} type="auto">
            <Checkbox.Group value={[...chosen]} onChange={onChange} aria-label={label}>
              <Stack gap={8}>
                {options.map(([value, count, name = value]) => (
                  <Checkbox key={value} value={value} label={`${name} (${count})`} size="sm" />
                ))}
              </Stack>
            </Checkbox.Group>
            {options.length === 0 && <Text c="dimmed">nothing to choose from</Text>}
          </ScrollArea.Autosize>
          <Group justify="flex-end">
            <Button variant="subtle" size="compact-sm" disabled={chosen.length === 0} onClick={() => onChange([])}>
              Clear
            </Button>
          </Group>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
