import { SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { CodeBlock } from "@/components/CodeBlock";
import { DescriptionList } from "@/components/DescriptionList";
import { Lasted } from "@/components/Lasted";
import { RelativeTime } from "@/components/RelativeTime";
import { isOpen, type Attempt, type JobNode, type Run } from "./flow";
import { JobLog } from "./JobLog";
import type { Which } from "./queries";

/** Attempts of a job, of which one is shown with its log: the newest if none is chosen. */
export function AttemptsOf({ which, run, node }: { which: Which; run: Run; node: JobNode }): ReactElement {
  const { attempt: wanted } = useSearch({ from: "/shell/operations/workflows/$workspace/$name" });
  const navigate = useNavigate({ from: "/operations/workflows/$workspace/$name" });
  const { attempts } = node;
  const attempt = attempts.find((item) => item.id === wanted) ?? attempts.at(-1);
  if (attempt === undefined) {
    return (
      <Text c="dimmed">
        {isOpen(run) ? "It has not begun: there is no log yet." : "It never began: there is no log."}
      </Text>
    );
  }
  const choose = (id: string): void =>
    void navigate({ search: (old) => ({ ...old, attempt: id }), replace: true, resetScroll: false });
  return (
    <Stack gap="md">
      {attempts.length > 1 && (
        <>
          <Title order={3} size="h4">
            {attempts.length} attempts
          </Title>
          <SegmentedControl
            aria-label="Attempt"
            value={attempt.id}
            onChange={choose}
            data={attempts.map((item) => ({ value: item.id, label: `${item.number}: ${item.state}` }))}
          />
          <AttemptFacts attempt={attempt} />
        </>
      )}
      <JobLog key={`${run.id} ${node.node}`} which={which} run={run} node={node.node} attempt={attempt.id} />
      <Result result={attempt.result} />
    </Stack>
  );
}

function AttemptFacts({ attempt }: { attempt: Attempt }): ReactElement {
  return (
    <DescriptionList
      items={[
        ["Reason", attempt.reason],
        ["Exit code", attempt.exitCode === null ? null : String(attempt.exitCode)],
        ["Started", <RelativeTime key="started" at={attempt.started} />],
        ["It took", <Lasted key="took" of={attempt} />],
      ]}
    />
  );
}

/** What the job itself told at its end: what it read and wrote. */
function Result({ result }: { result: unknown }): ReactElement | null {
  if (typeof result !== "object" || result === null || Object.keys(result).length === 0) return null;
  return (
    <>
      <Title order={3} size="h4">
        What it told of itself
      </Title>
      <CodeBlock label="What the job told of itself" code={JSON.stringify(result, null, 2)} />
    </>
  );
}
