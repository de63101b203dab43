import type { Runtime } from "./queries";

/** One node of a run as the list shows it. */
export interface Node {
  id: string;
  name: string;
  status: string;
  type: string;
  started: string;
  reason: string;
}

const text = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "");

/** Nodes of a runtime. Kinds say more or less of theirs: what is missing is empty. */
export function nodesOf(runtime: Runtime): Node[] {
  const listed: unknown = runtime.nodes;
  if (!Array.isArray(listed)) return [];
  return listed.map((entry: Record<string, unknown>, position) => ({
    id: `${text(entry.node) || text(entry.name)}-${position}`,
    name: text(entry.node) || text(entry.name),
    status: text(entry.phase) || text(entry.status),
    type: text(entry.type),
    started: text(entry.started),
    reason: text(entry.reason) || text(entry.info),
  }));
}
