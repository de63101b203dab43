import { Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";

import { DescriptionList } from "@/components/DescriptionList";
import { Drawer } from "@/components/Drawer";
import { Lasted } from "@/components/Lasted";
import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import { AttemptsOf } from "./AttemptsOf";
import type { DeclaredJob, Flow, JobNode } from "./flow";
import type { Which } from "./queries";

interface Props {
  which: Which;
  flow: Flow;
  /** Path of the job to show; none: closed. */
  job: string | undefined;
  onClose: () => void;
}

/** One job of a run: how it went, its attempts, what it wrote. */
export function JobDrawer({ which, flow, job, onClose }: Props): ReactElement {
  const node = flow.nodes.find((item) => item.job === job);
  return (
    <Drawer opened={job !== undefined} onClose={onClose} title={`Job ${job ?? ""}`}>
      {node === undefined ? (
        <Text c="dimmed">
          {flow.run === null ? "There is no run yet." : `Run ${flow.run.id} has no job of this name.`}
        </Text>
      ) : (
        <Stack gap="lg">
          <Facts node={node} flow={flow} />
          {node.type === "workflow" ? (
            <Text c="dimmed">
              It is a Workflow of its own: its jobs are{" "}
              {flow.nodes.filter((n) => n.job.startsWith(`${node.job}/`)).length} lines in the list, as {node.job}/NAME.
            </Text>
          ) : (
            flow.run !== null && <AttemptsOf which={which} run={flow.run} node={node} />
          )}
        </Stack>
      )}
    </Drawer>
  );
}

/** As it was declared; jobs of nested Workflows are not told. */
function factsOf({ title, stack, dependencies }: DeclaredJob): (readonly [string, string])[] {
  const facts = [
    ["Title", title],
    ["Stack", stack],
    ["Waits for", dependencies.join(", ")],
  ] as const;
  return facts.filter(([, value]) => value !== "");
}

function Facts({ node, flow }: { node: JobNode; flow: Flow }): ReactElement {
  const declared = flow.jobs.find((job) => job.name === node.job);
  return (
    <DescriptionList
      items={[
        ["State", <StatusBadge key="state" state={node.phase} />],
        ...(node.reason === "" ? [] : [["Reason", node.reason] as const]),
        ...(declared === undefined ? [] : factsOf(declared)),
        ["Started", <RelativeTime key="started" at={node.started} />],
        [node.finished === null && node.started !== null ? "Goes on for" : "It took", <Lasted key="took" of={node} />],
      ]}
    />
  );
}
