import { Button, Stack, Title } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { ProblemList } from "./ProblemList";

interface Props {
  error: unknown;
  /** What could not be done: "Resources cannot be shown". */
  title?: string;
  onRetry?: () => void;
}

/** In place of what could not be read: the server's own words, and a way to try again. */
export function ErrorState({ error, title = "This cannot be shown", onRetry }: Props): ReactElement {
  return (
    <Stack gap="sm" role="alert" py="md" maw={720}>
      <Title order={2} size="h3">
        {title}
      </Title>
      <ProblemList problems={problemsOf(error)} />
      {onRetry !== undefined && (
        <Button variant="default" w="fit-content" leftSection={<IconRefresh size={16} />} onClick={onRetry}>
          Try again
        </Button>
      )}
    </Stack>
  );
}
