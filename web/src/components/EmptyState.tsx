import { Stack, Text, Title } from "@mantine/core";
import type { ReactElement, ReactNode } from "react";

import classes from "./EmptyState.module.css";

interface Props {
  icon: ReactNode;
  title: string;
  children?: ReactNode;
  /** What to do about it. */
  action?: ReactNode;
}

/** In place of a list that has nothing: what that means and what to do next. */
export function EmptyState({ icon, title, children, action }: Props): ReactElement {
  return (
    <Stack align="center" gap="xs" className={classes.empty}>
      <span className={classes.icon} aria-hidden>
        {icon}
      </span>
      <Title order={2} size="h4" ta="center">
        {title}
      </Title>
      {children !== undefined && (
        <Text c="dimmed" maw={460} ta="center">
          {children}
        </Text>
      )}
      {action}
    </Stack>
  );
}
