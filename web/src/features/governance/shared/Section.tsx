import { Group, Title } from "@mantine/core";
import type { ReactElement, ReactNode } from "react";

import { Surface } from "@/components/Surface";

interface Props {
  title: string;
  children: ReactNode;
  actions?: ReactNode;
}

/** A part of a page with its heading, on a card. */
export function Section({ title, children, actions }: Props): ReactElement {
  return (
    <Surface label={title}>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{title}</Title>
        {actions}
      </Group>
      {children}
    </Surface>
  );
}
