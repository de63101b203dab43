import { ActionIcon, Button, Fieldset, Group, Stack, Text, TextInput, Tooltip } from "@mantine/core";
import { IconCopyPlus, IconPlus, IconTrash } from "@tabler/icons-react";
import type { ReactElement } from "react";

import type { Line } from "../shared/variables";

interface Props {
  lines: readonly Line[];
  onChange: (lines: Line[]) => void;
}

/** Values of the variables that a use case leaves open; the same variable once more is one more object. */
export function ValueLines({ lines, onChange }: Props): ReactElement {
  const set = (position: number, part: Partial<Line>): void =>
    onChange(lines.map((line, at) => (at === position ? { ...line, ...part } : line)));
  const again = (atom: string): void => {
    const own = lines.filter((line) => line.atom === atom);
    const fresh = [...new Set(own.map((line) => line.variable))].map((variable) => ({ atom, variable, value: "" }));
    const last = lines.findLastIndex((line) => line.atom === atom);
    onChange([...lines.slice(0, last + 1), ...fresh, ...lines.slice(last + 1)]);
  };
  return (
    <Fieldset legend="To what">
      <Stack gap="xs">
        {lines.length === 0 && <Text c="dimmed">No variable is open, as far as is known here.</Text>}
        {lines.map((line, position) => (
          <Group key={position} gap="xs" align="flex-end" wrap="nowrap">
            <TextInput
              {...named("Atom", position)}
              value={line.atom}
              onChange={(event) => set(position, { atom: event.currentTarget.value })}
              flex={2}
            />
            <TextInput
              {...named("Variable", position)}
              value={line.variable}
              onChange={(event) => set(position, { variable: event.currentTarget.value })}
              flex={1}
            />
            <TextInput
              {...named("Value", position)}
              placeholder="a name, or ** for all"
              value={line.value}
              onChange={(event) => set(position, { value: event.currentTarget.value })}
              flex={2}
            />
            <Tooltip label="One more object of this atom">
              <ActionIcon
                variant="default"
                size="input-sm"
                aria-label={`One more object of ${line.atom}`}
                onClick={() => again(line.atom)}
              >
                <IconCopyPlus size={16} />
              </ActionIcon>
            </Tooltip>
            <Tooltip label="Remove">
              <ActionIcon
                variant="default"
                size="input-sm"
                aria-label={`Remove ${line.atom} ${line.variable}`}
                onClick={() => onChange(lines.filter((_, at) => at !== position))}
              >
                <IconTrash size={16} />
              </ActionIcon>
            </Tooltip>
          </Group>
        ))}
        <Group>
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={<IconPlus size={14} aria-hidden />}
            onClick={() => onChange([...lines, { atom: "", variable: "", value: "" }])}
          >
            Add a value
          </Button>
        </Group>
      </Stack>
    </Fieldset>
  );
}

/** Names stand above the first line only; each line has them for those who do not see that. */
const named = (name: string, position: number) => (position === 0 ? { label: name } : { "aria-label": name });
