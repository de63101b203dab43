import { Title } from "@mantine/core";
import type { ReactElement } from "react";

import { DescriptionList } from "@/components/DescriptionList";
import { Lasted } from "@/components/Lasted";
import { Link } from "@/components/Link";
import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import { causeOf, wordOf, type Run } from "./flow";

/** How one run goes or went. */
export function RunFacts({ run, isNewest }: { run: Run | null; isNewest: boolean }): ReactElement {
  if (run === null) {
    return (
      <>
        <Title order={2} mb="sm">
          Run
        </Title>
        It has not run yet: what it would do stands below.
      </>
    );
  }
  return (
    <>
      <Title order={2} mb="sm">
        {isNewest ? "Newest run" : "An earlier run"}
      </Title>
      <DescriptionList
        items={[
          ["State", <StatusBadge key="state" state={wordOf(run)} />],
          ["Reason", run.reason],
          ["Jobs done", run.progress],
          ["Started", <RelativeTime key="started" at={run.started} />],
          [run.finished === null ? "Goes on for" : "It took", <Lasted key="took" of={run} />],
          ["Began", causeOf(run)],
          ["Generation", String(run.generation)],
          ["Id", <code key="id">{run.id}</code>],
        ]}
      />
      {!isNewest && (
        <Link from="/operations/workflows/$workspace/$name" to="." search={{}}>
          Show the newest run
        </Link>
      )}
    </>
  );
}
