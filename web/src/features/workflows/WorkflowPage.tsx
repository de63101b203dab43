import { Alert, SimpleGrid, Stack, Title } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { Skeletons } from "@/components/Skeletons";
import { StatusBadge } from "@/components/StatusBadge";
import { Surface } from "@/components/Surface";
import { Actions } from "./Actions";
import { wordOf, type Flow } from "./flow";
import { JobDrawer } from "./JobDrawer";
import { JobGraph } from "./JobGraph";
import { JobsTable } from "./JobsTable";
import { flowQuery, runQuery, type Which } from "./queries";
import { RunFacts } from "./RunFacts";
import { RunsTable } from "./RunsTable";
import { ScheduleFacts } from "./ScheduleFacts";

const HERE = "/shell/operations/workflows/$workspace/$name";

/** A Workflow: when it runs, one of its runs job by job, and all runs that are kept. */
export default function WorkflowPage(): ReactElement {
  const which = useParams({ from: HERE });
  const { run } = useSearch({ from: HERE });
  const newest = useQuery(flowQuery(which));
  const chosen = useQuery({ ...runQuery(which, run ?? ""), enabled: run !== undefined });
  const shown = run === undefined ? newest : chosen;
  return (
    <>
      <PageHeader
        title={which.name}
        crumbs={[
          <Link key="list" to="/operations/workflows">
            Workflows
          </Link>,
        ]}
        description={descriptionOf(newest.data, which)}
        actions={newest.data !== undefined && <Heading flow={newest.data} />}
      />
      {newest.isError && (
        <ErrorState error={newest.error} title="This Workflow cannot be shown" onRetry={() => void newest.refetch()} />
      )}
      {newest.isPending && <Skeletons />}
      {newest.data !== undefined && (
        <Stack gap="lg">
          {newest.data.trouble !== "" && (
            <Alert icon={<IconAlertCircle aria-hidden />} title="Why it failed" variant="outline" color="red.8">
              {newest.data.trouble}
            </Alert>
          )}
          <Actions which={which} flow={newest.data} />
          {shown.isError && (
            <ErrorState error={shown.error} title="This run cannot be shown" onRetry={() => void shown.refetch()} />
          )}
          {shown.isPending && <Skeletons rows={4} />}
          {shown.data !== undefined && <OneRun which={which} flow={shown.data} newest={newest.data} />}
          <section aria-labelledby="workflow-runs">
            <Title order={2} id="workflow-runs" mb="sm">
              Runs
            </Title>
            <RunsTable which={which} shown={shown.data?.run?.id} />
          </section>
        </Stack>
      )}
    </>
  );
}

function descriptionOf(flow: Flow | undefined, { workspace }: Which): string {
  const where = `workflow in ${workspace}`;
  return flow === undefined || flow.title === "" ? where : `${flow.title} · ${where}`;
}

function Heading({ flow }: { flow: Flow }): ReactElement {
  return <StatusBadge state={flow.paused !== null ? "paused" : flow.run === null ? "" : wordOf(flow.run)} />;
}

function OneRun({ which, flow, newest }: { which: Which; flow: Flow; newest: Flow }): ReactElement {
  const { job } = useSearch({ from: HERE });
  const navigate = useNavigate({ from: "/operations/workflows/$workspace/$name" });
  const open = (path: string | undefined): void =>
    void navigate({
      search: (old) => ({ ...old, job: path, attempt: undefined }),
      replace: path === undefined, // the back button does not open what was closed
      resetScroll: false,
    });
  return (
    <>
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Surface label="Run">
          <RunFacts run={flow.run} isNewest={flow.run?.id === newest.run?.id} />
        </Surface>
        <Surface label="Schedule">
          <ScheduleFacts flow={newest} />
        </Surface>
      </SimpleGrid>
      <section aria-labelledby="workflow-jobs">
        <Title order={2} id="workflow-jobs" mb="sm">
          Jobs
        </Title>
        <Stack gap="sm">
          <JobGraph flow={flow} onOpen={open} />
          {flow.nodes.length > 0 && <JobsTable flow={flow} />}
        </Stack>
      </section>
      <JobDrawer which={which} flow={flow} job={job} onClose={() => open(undefined)} />
    </>
  );
}
