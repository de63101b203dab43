import { SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { Figure } from "./Figure";
import { count } from "@/lib/sizes";
import { percent, seconds } from "./numbers";
import { healthQuery, usageQuery } from "./queries";
import { ServiceLevels } from "./ServiceLevels";

/** Use and health of a product in the last 30 days. */
export function ProductFigures({ name }: { name: string }): ReactElement {
  const usage = useQuery(usageQuery(name));
  const health = useQuery(healthQuery(name));
  const failed = usage.error ?? health.error;
  if (failed !== null) {
    const again = (): void => {
      void usage.refetch();
      void health.refetch();
    };
    return <ErrorState error={failed} title="Its figures cannot be shown" onRetry={again} />;
  }
  if (usage.data === undefined || health.data === undefined) return <Skeletons rows={1} height={92} />;
  const { users, queries, viewers, days } = usage.data;
  const { availability, latency, quality, runs } = health.data;
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 2, sm: 3, xl: 6 }}>
        <Figure label="Users" value={count(users)} note={`asked it in ${days} days`} />
        <Figure label="Queries" value={count(queries)} note={`${count(viewers)} opened this page`} />
        <Figure label="Checks passed" value={percent(quality.adherence)} note="of the last 10 runs" />
        <Figure
          label="Answered"
          value={percent(availability.percent)}
          note={`of ${count(availability.queries)} queries`}
        />
        <Figure label="Answer time" value={seconds(latency.p95_s)} note="95 of 100 are faster" />
        <Figure
          label="Runs succeeded"
          value={percent(runs.percent)}
          note={runs.lastState === null ? "it has no runs" : `the last one ${runs.lastState}`}
        />
      </SimpleGrid>
      <ServiceLevels levels={health.data} />
    </Stack>
  );
}
