import { CloseButton, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import type { ReactElement } from "react";

interface Props {
  value: string;
  onChange: (value: string) => void;
  label: string;
}

/** Filters while one types. `/` puts the cursor into it (app/useShortcuts.ts). */
export function SearchBox({ value, onChange, label }: Props): ReactElement {
  return (
    <TextInput
      type="search"
      data-search
      aria-label={label}
      placeholder={label}
      leftSection={<IconSearch size={16} aria-hidden />}
      rightSection={value !== "" && <CloseButton size="sm" aria-label="Clear search" onClick={() => onChange("")} />}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      w={280}
    />
  );
}
