import type { ReactElement } from "react";

import { StatusBadge } from "@/components/StatusBadge";
import { toneOf } from "@/lib/statuses";
import type { DeclaredJob } from "./flow";
import classes from "./JobBox.module.css";

/** A job in the graph: its name, its stack, how it is. */
export function JobBox({ job, phase }: { job: DeclaredJob; phase: string }): ReactElement {
  return (
    <div className={classes.job} data-tone={toneOf(phase)}>
      <span className={classes.name} title={job.title || job.name}>
        {job.name}
      </span>
      <span className={classes.line}>
        <StatusBadge state={phase} />
        <span className={classes.stack}>{job.stack}</span>
      </span>
    </div>
  );
}
