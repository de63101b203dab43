import { SimpleGrid } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { metricsQuery } from "./queries";
import { Quotas } from "./Quotas";
import { Usage } from "./Usage";

/** How much room is left and what goes on, for those who may read metrics. */
export function Numbers(): ReactElement {
  const { data, isPending, isError, error, refetch } = useQuery(metricsQuery);
  if (isPending) return <Skeletons rows={6} />;
  if (isError)
    return <ErrorState error={error} title="Quotas and usage cannot be shown" onRetry={() => void refetch()} />;
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="xl">
      <Quotas metrics={data} />
      <Usage metrics={data} />
    </SimpleGrid>
  );
}
