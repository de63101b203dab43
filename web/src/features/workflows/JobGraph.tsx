import { useMemo, type ReactElement } from "react";

import Graph, { type GraphEdge, type GraphNode } from "@/components/Graph";
import { nodeOf, type Flow } from "./flow";
import { JobBox } from "./JobBox";

interface Props {
  flow: Flow;
  onOpen: (job: string) => void;
}

/** Jobs of a Workflow in the order of their dependencies, with how each is in the run. */
export function JobGraph({ flow, onOpen }: Props): ReactElement {
  const nodes = useMemo(
    () =>
      flow.jobs.map((job): GraphNode => {
        const phase = nodeOf(flow, job.name)?.phase ?? "";
        return {
          id: job.name,
          label: phase === "" ? job.name : `${job.name}, ${phase}`,
          content: <JobBox job={job} phase={phase} />,
        };
      }),
    [flow],
  );
  const edges = useMemo(
    () => flow.jobs.flatMap((job) => job.dependencies.map((from): GraphEdge => ({ from, to: job.name }))),
    [flow],
  );
  return <Graph label="Jobs and what they wait for" nodes={nodes} edges={edges} height={300} onOpen={onOpen} />;
}
