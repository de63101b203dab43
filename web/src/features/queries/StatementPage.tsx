import { Alert, SimpleGrid, Stack, Title } from "@mantine/core";
import { IconHourglass } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { CodeBlock } from "@/components/CodeBlock";
import { DescriptionList } from "@/components/DescriptionList";
import { ErrorState } from "@/components/ErrorState";
import { Lasted } from "@/components/Lasted";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { RelativeTime } from "@/components/RelativeTime";
import { Skeletons } from "@/components/Skeletons";
import { StatusBadge } from "@/components/StatusBadge";
import { Surface } from "@/components/Surface";
import { duration } from "@/lib/durations";
import { count, size } from "@/lib/sizes";
import { PlanOf } from "./PlanOf";
import { PoliciesOf } from "./PoliciesOf";
import { statementQuery, type Statement } from "./queries";
import { isUnderWay, secondsOf } from "./statements";
import { Steps } from "./Steps";
import { StopStatement } from "./StopStatement";

/** One statement: its text, how it went, which policies took part, how the engine would answer it. */
export default function StatementPage(): ReactElement {
  const { id } = useParams({ from: "/shell/operations/queries/$id" });
  const { data, isPending, isError, error, refetch } = useQuery(statementQuery(id));
  return (
    <>
      <PageHeader
        title="Statement"
        crumbs={[
          <Link key="list" to="/operations/queries">
            Queries
          </Link>,
        ]}
        description={<code>{id}</code>}
        actions={data !== undefined && isUnderWay(data) && <StopStatement id={id} />}
      />
      {isPending && <Skeletons />}
      {isError && <ErrorState error={error} title="This statement cannot be shown" onRetry={() => void refetch()} />}
      {data !== undefined && <Detail statement={data} />}
    </>
  );
}

function Detail({ statement }: { statement: Statement }): ReactElement {
  return (
    <Stack gap="lg">
      {statement.state === "queued" && statement.reason !== "" && (
        <Alert icon={<IconHourglass aria-hidden />} title="Why it waits" variant="outline" color="ink">
          {statement.reason}
        </Alert>
      )}
      <CodeBlock label="Statement" code={statement.sql} />
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Surface label="What became of it">
          <Title order={2} mb="sm">
            What became of it
          </Title>
          <Facts statement={statement} />
        </Surface>
        <Surface label="Time">
          <Title order={2} mb="sm">
            Time
          </Title>
          <Steps statement={statement} />
        </Surface>
      </SimpleGrid>
      <PoliciesOf statement={statement} />
      <PlanOf statement={statement} />
    </Stack>
  );
}

/** Of what is over, as the server measured it. */
function timeOf(statement: Statement): ReactElement | string {
  if (!isUnderWay(statement)) return duration(secondsOf(statement, new Date()));
  return <Lasted of={{ started: statement.created, finished: null }} />;
}

function Facts({ statement }: { statement: Statement }): ReactElement {
  return (
    <DescriptionList
      items={[
        ["State", <StatusBadge key="state" state={statement.state} />],
        ...(statement.error === "" ? [] : [["Error", <code key="error">{statement.error}</code>] as const]),
        ...(statement.reason === "" ? [] : [["Waited", statement.reason] as const]),
        ["Asked", <RelativeTime key="created" at={statement.created} />],
        ["Time", timeOf(statement)],
        ["Rows", statement.rows === null ? null : count(statement.rows)],
        ["Bytes", statement.bytes === null ? null : size(statement.bytes)],
        ["User", statement.user],
        ...(statement.source === "" ? [] : [["Asked by", statement.source] as const]),
        ["Dialect", statement.dialect],
        ["Engine", `cluster ${statement.cluster}`],
        ["Server", <code key="server">{statement.server}</code>],
      ]}
    />
  );
}
