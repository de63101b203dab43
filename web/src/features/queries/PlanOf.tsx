import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { CodeBlock } from "@/components/CodeBlock";
import { ProblemList } from "@/components/ProblemList";
import { explain, type Statement } from "./queries";

/** The plan by which a statement ran, and on demand that of now: tables and policies may have changed since. */
export function PlanOf({ statement }: { statement: Statement }): ReactElement {
  const now = useMutation({ mutationFn: () => explain(statement) });
  return (
    <section aria-labelledby="statement-plan">
      <Group justify="space-between" mb="sm">
        <Title order={2} id="statement-plan">
          Plan
        </Title>
        <Button variant="default" loading={now.isPending} onClick={() => now.mutate()}>
          Explain now
        </Button>
      </Group>
      <Stack gap="sm">
        {statement.plan === null ? (
          <Text c="dimmed">It was not planned: it reads no table by a query, or was refused before.</Text>
        ) : (
          <CodeBlock label="Plan by which it ran" code={statement.plan} />
        )}
        <div aria-live="polite">
          {now.isIdle && (
            <Text c="dimmed">Explain now asks for the plan of today, under your own rights. Nothing is run.</Text>
          )}
          {now.isError && <ProblemList problems={problemsOf(now.error)} />}
          {now.data !== undefined && <CodeBlock label="Plan of now" code={now.data} />}
        </div>
      </Stack>
    </section>
  );
}
