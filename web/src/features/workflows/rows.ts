import type { Summary } from "@/features/resources/queries";
import { wordOf, type Flow, type Run } from "./flow";
import type { WorkflowsSearch } from "./routes";

/** A line of the list. `flow` comes later than the rest, and not at all where there are very many. */
export interface WorkflowRow {
  summary: Summary;
  flow: Flow | undefined;
}

const NEVER = "never ran";

/** How a Workflow is, in a word: what its status says unless it is active, then its runtime. */
export function stateOf({ status, runtime }: Summary): string {
  if (status !== "active") return status;
  return runtime.startsWith("next:") ? "scheduled" : runtime || "idle";
}

/** When it runs next; null if it has no schedule or is paused. */
export function nextOf({ summary, flow }: WorkflowRow): string | null {
  return summary.runtime.startsWith("next:") ? summary.runtime.slice("next:".length) : (flow?.schedule?.next ?? null);
}

/** Its newest run. */
export const lastOf = (row: WorkflowRow): Run | undefined => row.flow?.runs[0];

/** The state of its newest run, in a word. */
export function lastWordOf(row: WorkflowRow): string {
  const run = lastOf(row);
  if (run !== undefined) return wordOf(run);
  return row.flow === undefined ? "" : NEVER;
}

/** "15 2 * * 1-5 UTC", "once". */
export function scheduleOf({ flow }: WorkflowRow): string {
  if (flow === undefined) return "";
  return flow.schedule === null ? "once" : `${flow.schedule.cron} ${flow.schedule.timezone}`;
}

type Key = Exclude<keyof WorkflowsSearch, "q">;

export const FILTERS: readonly { key: Key; label: string; of: (row: WorkflowRow) => string }[] = [
  { key: "state", label: "State", of: (row) => stateOf(row.summary).split(":")[0] ?? "" },
  { key: "last", label: "Last run", of: lastWordOf },
  { key: "workspace", label: "Workspace", of: (row) => row.summary.workspace ?? "" },
  { key: "owner", label: "Owner", of: (row) => row.summary.owner },
];

/** What search and filters leave: any of a filter's values, all of the filters. */
export function chosenOf(rows: readonly WorkflowRow[], search: WorkflowsSearch): WorkflowRow[] {
  const text = search.q?.trim().toLowerCase() ?? "";
  return rows.filter(
    (row) =>
      row.summary.name.toLowerCase().includes(text) &&
      FILTERS.every(({ key, of }) => search[key] === undefined || search[key].includes(of(row))),
  );
}
