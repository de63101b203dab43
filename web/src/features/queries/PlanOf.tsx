import { Button, Group, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { CodeBlock } from "@/components/CodeBlock";
import { ProblemList } from "@/components/ProblemList";
import { explain, type Statement } from "./queries";

/** The plan is not kept with a statement: it is made on demand, which runs nothing. */
export function PlanOf({ statement }: { statement: Statement }): ReactElement {
  const plan = useMutation({ mutationFn: () => explain(statement) });
  return (
    <section aria-labelledby="statement-plan">
      <Group justify="space-between" mb="sm">
        <Title order={2} id="statement-plan">
          Plan
        </Title>
        <Button variant="default" loading={plan.isPending} onClick={() => plan.mutate()}>
          Explain
        </Button>
      </Group>
      <div aria-live="polite">
        {plan.isIdle && (
          <Text c="dimmed">
            Explain asks the engine how it would answer this statement now, under your own rights. Nothing is run.
          </Text>
        )}
        {plan.isError && <ProblemList problems={problemsOf(plan.error)} />}
        {plan.data !== undefined && <CodeBlock label="Plan of the statement" code={plan.data} />}
      </div>
    </section>
  );
}
