import { Stack, Text, Title } from "@mantine/core";
import { Children, type ReactElement, type ReactNode } from "react";

import { Surface } from "@/components/Surface";

/** What plan or apply said; read out when it comes. */
export function Findings({ children }: { children: ReactNode }): ReactElement {
  const empty = Children.toArray(children).length === 0;
  return (
    <Surface label="Outcome">
      <Stack gap="sm" aria-live="polite">
        <Title order={2}>Outcome</Title>
        {empty ? (
          <Text c="dimmed">Plan first: changes, warnings and faults with their lines stand here.</Text>
        ) : (
          children
        )}
      </Stack>
    </Surface>
  );
}
