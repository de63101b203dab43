/** One try of a job. */
export interface Attempt {
  id: string;
  number: number;
  state: string;
  reason: string;
  exitCode: number | null;
  started: string | null;
  finished: string | null;
  /** What the job said of itself at its end. */
  result: unknown;
}

/** A job in a run. `job`: its path; jobs of nested Workflows are `node/job`. */
export interface JobNode {
  node: string;
  job: string;
  run: string;
  phase: string;
  reason: string;
  type: string;
  started: string | null;
  finished: string | null;
  attempts: readonly Attempt[];
}

export interface Run {
  id: string;
  generation: number;
  trigger: string;
  scheduled: string | null;
  state: string;
  stopping: boolean;
  reason: string;
  progress: string;
  created: string;
  started: string | null;
  finished: string | null;
}

export interface Schedule {
  cron: string;
  timezone: string;
  concurrencyPolicy: string;
  endOn: string | null;
  next: string | null;
  last: string | null;
  skipped: string;
}

export interface DeclaredJob {
  name: string;
  stack: string;
  title: string;
  dependencies: readonly string[];
}

/** A Workflow as its runtime tells: jobs as declared, one run with its nodes, the newest runs, the schedule. */
export interface Flow {
  title: string;
  jobs: readonly DeclaredJob[];
  run: Run | null;
  nodes: readonly JobNode[];
  runs: readonly Run[];
  schedule: Schedule | null;
  paused: { since: string; by: string } | null;
  /** Why it is not active, if it is not: what stands in its manifest cannot be made. */
  trouble: string;
}

/** What the server tells of a runtime, whose shape is the kind's own. */
export function flowOf(told: object): Flow {
  const {
    title = "",
    jobs = [],
    run = null,
    nodes = [],
    runs = [],
    schedule = null,
    paused = null,
  } = told as Partial<Flow>;
  const { status, builder } = told as { status?: string; builder?: { info?: string } };
  const trouble = status === "error" ? (builder?.info ?? "") : "";
  return { title, jobs, run, nodes, runs, schedule, paused, trouble };
}

const OPEN = ["pending", "running"];

/** Does it still go on? */
export const isOpen = (run: Run | null | undefined): boolean => run != null && OPEN.includes(run.state);

/** "running", and "stopping" once somebody stopped it. */
export const wordOf = (run: Run): string => (run.stopping ? "stopping" : run.state);

const TRIGGERS: Record<string, string> = {
  tick: "by its schedule",
  run: "by hand",
  "re-run": "again, by hand",
  apply: "by an apply",
  nested: "by another Workflow",
};

/** Why a run began. */
export const causeOf = (run: Run): string => TRIGGERS[run.trigger] ?? `by ${run.trigger}`;

/** The node of a declared job, if the run has it. */
export const nodeOf = (flow: Flow, job: string): JobNode | undefined => flow.nodes.find((node) => node.job === job);
