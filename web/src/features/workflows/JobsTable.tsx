import type { ReactElement } from "react";

import { momentColumn, stateColumn } from "@/components/columns";
import { DataTable, type Column } from "@/components/DataTable";
import { Lasted } from "@/components/Lasted";
import { Link } from "@/components/Link";
import { secondsFrom } from "@/lib/durations";
import type { Flow, JobNode } from "./flow";

const COLUMNS: readonly Column<JobNode>[] = [
  {
    id: "job",
    header: "Job",
    value: (node) => node.job,
    width: 2,
    cell: (node) => (
      <Link
        from="/operations/workflows/$workspace/$name"
        to="."
        search={(old) => ({ ...old, job: node.job, attempt: undefined })}
        resetScroll={false}
        fw={550}
      >
        {node.job}
      </Link>
    ),
  },
  stateColumn("state", "State", (n) => n.phase, 1.4),
  { id: "attempts", header: "Attempts", value: (node) => node.attempts.length, width: 1 },
  momentColumn("started", "Started", (node) => node.started, 1.6),
  {
    id: "took",
    header: "Duration",
    value: (node) => secondsFrom(node.started, node.finished, new Date()) ?? -1,
    width: 1,
    cell: (node) => <Lasted of={node} />,
  },
  { id: "reason", header: "Reason", value: (node) => node.reason, width: 3 },
];

/** The same jobs as the graph, with those of nested Workflows, as a list. */
export function JobsTable({ flow }: { flow: Flow }): ReactElement {
  return <DataTable label="Jobs of the run" rows={flow.nodes} columns={COLUMNS} idOf={(node) => node.job} />;
}
