import { Paper, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactElement, ReactNode } from "react";

import classes from "./LoginCard.module.css";

/** The frame of all screens before a session. */
export function LoginCard({
  title,
  text,
  children,
}: {
  title: string;
  text?: string;
  children?: ReactNode;
}): ReactElement {
  useDocumentTitle(`${title} · DataOS`);
  return (
    <main className={classes.page}>
      <Paper className={classes.card} withBorder>
        <Stack gap="md">
          <img src="/favicon.svg" alt="" width={44} height={44} />
          <div>
            <Title order={1} size="h2">
              {title}
            </Title>
            {text !== undefined && <Text c="dimmed">{text}</Text>}
          </div>
          {children}
        </Stack>
      </Paper>
    </main>
  );
}
