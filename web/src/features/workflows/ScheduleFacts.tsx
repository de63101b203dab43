import { Text, Title } from "@mantine/core";
import type { ReactElement } from "react";

import { DescriptionList } from "@/components/DescriptionList";
import { RelativeTime } from "@/components/RelativeTime";
import type { Flow } from "./flow";

const POLICIES: Record<string, string> = {
  Allow: "both run (Allow)",
  Forbid: "the tick is left out (Forbid)",
  Replace: "the run is stopped, the new one begins (Replace)",
};

/** When a Workflow runs by itself. */
export function ScheduleFacts({ flow }: { flow: Flow }): ReactElement {
  const { schedule, paused } = flow;
  return (
    <>
      <Title order={2} mb="sm">
        Schedule
      </Title>
      {paused !== null && (
        <Text mb="sm">
          Paused by {paused.by}, <RelativeTime at={paused.since} />: no run begins, and jobs that have not begun wait.
        </Text>
      )}
      {schedule === null ? (
        <Text c="dimmed">None: it ran once when it was applied, and runs again when somebody asks for it.</Text>
      ) : (
        <DescriptionList
          items={[
            ["Cron", <code key="cron">{schedule.cron}</code>],
            ["Time zone", schedule.timezone],
            ["Next run", <RelativeTime key="next" at={schedule.next} />],
            ["Last tick", <RelativeTime key="last" at={schedule.last} />],
            ["Left out", schedule.skipped],
            ["A tick while a run goes on", POLICIES[schedule.concurrencyPolicy] ?? schedule.concurrencyPolicy],
            ["Ends", <RelativeTime key="ends" at={schedule.endOn} />],
          ]}
        />
      )}
    </>
  );
}
