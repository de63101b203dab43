import { Group, Loader, Tabs, Text } from "@mantine/core";
import { lazy, memo, Suspense, type ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { DownloadMenu } from "@/components/DownloadMenu";
import { ProblemList } from "@/components/ProblemList";
import { Skeletons } from "@/components/Skeletons";
import { useDownload } from "@/lib/downloads";
import { Details } from "./Details";
import { Grid } from "./Grid";
import { Plan } from "./Plan";
import { shifted } from "./places";
import { Policies } from "./Policies";
import { ResultPivot } from "./ResultPivot";
import type { View } from "./routes";
import type { Run } from "./state";
import { hasPlan } from "./statements";

const ResultChart = lazy(() => import("./ResultChart"));

interface Props {
  run: Run;
  view: View | undefined;
  onView: (view: View) => void;
  onGo: (line: number, column: number) => void;
}

/** One statement in full: its rows, a chart or groups of them, what policies did, its plan, its figures. Not drawn anew as one types. */
export const ResultView = memo(function ResultView({ run, view, onView, onGo }: Props): ReactElement {
  const { answer, handle } = run;
  const download = useDownload(handle ?? "", (handle ?? "").slice(0, 8));
  const returned = answer !== null && handle !== null && answer.columns.length > 0;
  const failed = run.problems.length > 0;
  const views: View[] = [
    ...(run.explains || failed ? [] : (["rows"] as const)),
    ...(returned ? (["chart", "pivot"] as const) : []),
    ...(answer !== null || run.explains ? (["policies"] as const) : []),
    ...(!failed && hasPlan(run.sql) ? (["plan"] as const) : []),
    ...(handle !== null ? (["details"] as const) : []),
  ];
  const chosen = view !== undefined && views.includes(view) ? view : (views[0] ?? null);
  return (
    <>
      {failed && (
        <div role="alert">
          <ProblemList
            problems={shifted(run.problems, run.text, run.from)}
            onGo={(problem) => onGo(problem.line ?? 1, problem.column ?? 1)}
          />
        </div>
      )}
      <Tabs value={chosen} onChange={(value) => onView(value as View)} keepMounted={false}>
        <Group justify="space-between" align="flex-start" mb="sm">
          <Tabs.List>
            {views.map((one) => (
              <Tabs.Tab key={one} value={one}>
                {TITLES[one]}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {returned && <DownloadMenu download={download} size="xs" />}
        </Group>
        {download.isError && <ProblemList problems={problemsOf(download.error)} />}
        <Tabs.Panel value="rows">
          <Rows run={run} />
        </Tabs.Panel>
        <Tabs.Panel value="chart">
          {returned && (
            <Suspense fallback={<Skeletons rows={1} height={280} />}>
              <ResultChart handle={handle} answer={answer} />
            </Suspense>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="pivot">{returned && <ResultPivot handle={handle} answer={answer} />}</Tabs.Panel>
        <Tabs.Panel value="policies">
          <Policies run={run} />
        </Tabs.Panel>
        <Tabs.Panel value="plan">
          <Plan run={run} />
        </Tabs.Panel>
        <Tabs.Panel value="details">
          <Details run={run} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
});

const TITLES: Record<View, string> = {
  rows: "Rows",
  chart: "Chart",
  pivot: "Pivot",
  policies: "Policies",
  plan: "Plan",
  details: "Details",
};

function Rows({ run }: { run: Run }): ReactElement {
  const { answer, handle } = run;
  if (answer === null || handle === null) {
    const going = run.state === "running";
    return (
      <Text c="dimmed" role="status">
        {going && <Loader size="xs" mr="xs" aria-hidden />}
        {going ? "It runs. You may go elsewhere meanwhile." : WHY[run.state]}
      </Text>
    );
  }
  const warnings = answer.warnings ?? [];
  return (
    <>
      {warnings.length > 0 && <ProblemList problems={warnings} tone="warn" />}
      {answer.rowCount === 0 ? (
        <Text c="dimmed">It returned no rows.</Text>
      ) : (
        <Grid handle={handle} columns={answer.columns} rowCount={answer.rowCount ?? 0} first={answer.rows} />
      )}
    </>
  );
}

const WHY: Partial<Record<Run["state"], string>> = {
  waiting: "It waits for the statements before it.",
  skipped: "It was left out: a statement before it did not finish.",
};
