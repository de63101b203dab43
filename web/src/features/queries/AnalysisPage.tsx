import { Group, SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { IconChartBar } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type ReactElement } from "react";

import Chart from "@/components/Chart";
import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";
import { useNow } from "@/lib/now";
import { count } from "@/lib/sizes";
import { daysOf, since, usesOf } from "./analysis";
import { CLUSTER_COLUMNS } from "./clusterColumns";
import { analysisQuery, MOST_ANALYSED, type Statement } from "./queries";
import type { AnalysisSearch } from "./routes";
import { useWhose } from "./useWhose";
import { WhoseStatements } from "./WhoseStatements";

const DAYS = [1, 7, 30, 90];
const NONE: Statement[] = [];

/** What was asked of each cluster in a time, how much of it failed, how long it took. */
export default function AnalysisPage(): ReactElement {
  const search = useSearch({ from: "/shell/operations/queries/analysis" });
  const navigate = useNavigate({ from: "/operations/queries/analysis" });
  const now = useNow();
  const whose = useWhose(search.whose);
  const days = search.days ?? 7;
  const { data = NONE, isPending, isError, error, refetch } = useQuery(analysisQuery(whose === "all"));
  const asked = useMemo(() => since(data, days, now), [data, days, now]);
  const uses = useMemo(() => usesOf(asked), [asked]);
  const trend = useMemo(() => daysOf(asked, Math.max(days, 2), now), [asked, days, now]);
  const change = (part: AnalysisSearch): void => void navigate({ search: { ...search, ...part }, replace: true });
  return (
    <>
      <PageHeader
        title="Cluster analysis"
        crumbs={[
          <Link key="list" to="/operations/queries" search={{ whose: search.whose }}>
            Queries
          </Link>,
        ]}
        description="What was asked of each cluster, what failed, how long it took."
        actions={
          <>
            <WhoseStatements whose={whose} onChange={(value) => change({ whose: value })} />
            <SegmentedControl
              aria-label="Time"
              value={String(days)}
              onChange={(value) => change({ days: daysFrom(value) })}
              data={DAYS.map((n) => ({ value: String(n), label: n === 1 ? "1 day" : `${n} days` }))}
            />
          </>
        }
      />
      {isPending && <Skeletons />}
      {isError && <ErrorState error={error} title="Statements cannot be shown" onRetry={() => void refetch()} />}
      {!isPending && !isError && asked.length === 0 && (
        <EmptyState icon={<IconChartBar />} title="Nothing was asked in this time">
          Choose a longer time, or ask something first.
        </EmptyState>
      )}
      {asked.length > 0 && (
        <Stack gap="lg">
          <DataTable label="Clusters" rows={uses} columns={CLUSTER_COLUMNS} idOf={(use) => use.cluster} />
          <section aria-labelledby="analysis-days">
            <Title order={2} id="analysis-days" mb="sm">
              By day
            </Title>
            <Surface>
              <Chart
                kind="bar"
                categories={trend.days}
                series={[
                  { name: "did not fail", values: trend.well },
                  { name: "failed", values: trend.failed, tone: "bad" },
                ]}
                label={`Statements by day: ${count(asked.length)} in all, of which ${count(trend.failed.reduce((a, b) => a + b, 0))} failed`}
              />
            </Surface>
          </section>
        </Stack>
      )}
      {data.length === MOST_ANALYSED && (
        <Group mt="sm">
          <Text c="dimmed" size="sm">
            Of the newest {count(MOST_ANALYSED)} statements: older ones are not counted.
          </Text>
        </Group>
      )}
    </>
  );
}

function daysFrom(value: string): AnalysisSearch["days"] {
  const days = Number(value);
  return days === 1 || days === 30 || days === 90 ? days : undefined;
}
