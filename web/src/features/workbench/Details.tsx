import { SimpleGrid, Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { CodeBlock } from "@/components/CodeBlock";
import { DescriptionList } from "@/components/DescriptionList";
import { ErrorState } from "@/components/ErrorState";
import { RelativeTime } from "@/components/RelativeTime";
import { Skeletons } from "@/components/Skeletons";
import { StatusBadge } from "@/components/StatusBadge";
import { Surface } from "@/components/Surface";
import { duration } from "@/lib/durations";
import { statementQuery } from "./queries";
import { isGoing, type Run } from "./state";
import { counted } from "./values";

/** What the history keeps of a statement. */
export function Details({ run }: { run: Run }): ReactElement {
  const { data, error, refetch } = useQuery(statementQuery(run.handle ?? "", isGoing(run)));
  if (error !== null) {
    return <ErrorState error={error} title="Its figures cannot be shown" onRetry={() => void refetch()} />;
  }
  if (data == null) return <Skeletons rows={4} />;
  const steps = Object.entries(data.timings).sort(([, a], [, b]) => a - b);
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Surface label="Statement">
          <Title order={2} mb="sm">
            Statement
          </Title>
          <DescriptionList
            items={[
              ["State", <StatusBadge key="state" state={data.state} />],
              ["Id", data.id],
              ["Cluster", data.cluster],
              ["Server", data.server],
              ["Began", <RelativeTime key="began" at={data.created} />],
              ["Ended", <RelativeTime key="ended" at={data.finished} />],
              ["Rows", data.rows === null ? "" : counted(data.rows, "row")],
              ["Size", data.bytes === null ? "" : counted(data.bytes, "byte")],
            ]}
          />
        </Surface>
        <Surface label="Times">
          <Title order={2} mb="sm">
            Time since it came
          </Title>
          <DescriptionList items={steps.map(([step, seconds]) => [step, duration(seconds)] as const)} />
        </Surface>
      </SimpleGrid>
      <CodeBlock label="Statement" code={run.sql} />
    </Stack>
  );
}
