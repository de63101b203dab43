import { Alert, Group, SegmentedControl, Text } from "@mantine/core";
import { IconChartBar, IconInfoCircle } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { CodeBlock } from "@/components/CodeBlock";
import { DownloadMenu } from "@/components/DownloadMenu";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { ProblemList } from "@/components/ProblemList";
import { Skeletons } from "@/components/Skeletons";
import { useDownload } from "@/lib/downloads";
import { count } from "@/lib/sizes";
import { RowsTable } from "../RowsTable";
import type { Choices, Show } from "./choices";
import classes from "./ExploreTab.module.css";
import { ResultChart } from "./ResultChart";
import type { Built } from "./sql";
import type { useStatement } from "./useStatement";

interface Props {
  statement: ReturnType<typeof useStatement>;
  built: Built;
  choices: Choices;
  onChange: (choices: Choices) => void;
}

const SHOWN: { value: Show; label: string }[] = [
  { value: "table", label: "Table" },
  { value: "bar", label: "Bars" },
  { value: "line", label: "Line" },
];

/** What came of the choices, as table or picture; and the statement that they stand for. */
export function Outcome({ statement, built, choices, onChange }: Props): ReactElement {
  const { asked, running, error } = statement;
  const faults = "faults" in built ? built.faults : [];
  const sql = "sql" in built ? built.sql : null;
  const show = choices.show ?? "table";
  return (
    <section aria-label="Outcome" aria-busy={running}>
      {faults.length > 0 && (
        <Alert
          mb="md"
          icon={<IconInfoCircle aria-hidden />}
          title="These choices cannot be asked yet"
          variant="outline"
          color="orange.9"
          styles={{ title: { color: "var(--warn)" } }}
        >
          {faults.map((fault) => (
            <Text key={fault}>{fault}</Text>
          ))}
        </Alert>
      )}
      {error !== null && !running && <ErrorState error={error} title="The answer did not come" />}
      {running && <Skeletons rows={6} />}
      {!running && asked === null && error === null && (
        <EmptyState icon={<IconChartBar />} title="Nothing is shown yet">
          Choose columns, or a group and a measure, and press Show. You see what policies leave you.
        </EmptyState>
      )}
      {!running && asked !== null && error === null && (
        <>
          <Group justify="space-between" mb="sm">
            <Text aria-live="polite">
              {count(asked.rows.rows.length)} {asked.rows.rows.length === 1 ? "row" : "rows"}
              {asked.rows.truncated && ", cut short by the server"}
              {asked.sql !== sql && " of an earlier choice: press Show for this one"}
            </Text>
            <Group gap="xs">
              <SegmentedControl
                aria-label="Shown as"
                value={show}
                data={SHOWN}
                onChange={(value) => onChange({ ...choices, show: value === "table" ? undefined : value })}
              />
              <Download key={asked.id} id={asked.id} />
            </Group>
          </Group>
          {show === "table" ? (
            <RowsTable label="Answer" answer={asked.rows} />
          ) : (
            <ResultChart kind={show} built={asked.sql === sql ? built : null} rows={asked.rows} />
          )}
        </>
      )}
      {sql !== null && (
        <details className={classes.sql}>
          <summary>The same as SQL</summary>
          <CodeBlock label="SQL of these choices" code={sql} />
        </details>
      )}
    </section>
  );
}

/** The answer as a file. */
function Download({ id }: { id: string }): ReactElement {
  const download = useDownload(id, "answer");
  return (
    <>
      <DownloadMenu download={download} />
      {download.isError && <ProblemList problems={problemsOf(download.error)} />}
    </>
  );
}
