import type { components } from "@/api/schema";

type Graph = components["schemas"]["Graph"];

/** A box of the overview. */
export interface Box {
  id: string;
  /** What it is: "Input", "Output", "Bundle". */
  role: string;
  title: string;
  target: Target;
}

/** Where a box leads to. */
export type Target =
  | { to: "here" }
  | { to: "tab"; tab: "inputs" | "outputs"; data: string | undefined }
  | { to: "product"; name: string }
  | { to: "resource"; type: string; name: string; workspace: string | undefined };

export interface Canvas {
  boxes: Box[];
  edges: { from: string; to: string }[];
}

/** As many boxes of a kind as one takes in; the rest is one box that counts them. */
const MOST = 6;

const ROLES: Record<string, string> = {
  input: "Input",
  output: "Output",
  bundle: "Bundle",
  member: "Resource",
  lens: "Semantic model",
  service: "API",
  related: "Related product",
  consumer: "Used by",
};

/** The product by its name (its title is the page's) between what it reads and what it makes. `me`: its id. */
export function canvasOf(graph: Graph, me: string): Canvas {
  const titles = new Map(graph.nodes.map((node) => [node.id, node]));
  const boxes: Box[] = [{ id: me, role: "Data Product", title: shortOf(me), target: { to: "here" } }];
  const edges: Canvas["edges"] = [];
  const byKind = new Map<string, string[]>();
  for (const { from, to, kind } of graph.edges) {
    const other = from === me ? to : from;
    byKind.set(kind, [...new Set([...(byKind.get(kind) ?? []), other])]);
  }
  for (const [kind, ids] of byKind) {
    const shown = ids.length > MOST ? ids.slice(0, MOST - 1) : ids;
    for (const id of shown) {
      // what is read and written too stands on both sides
      const box = `${kind} ${id}`;
      const node = titles.get(id);
      boxes.push({ id: box, role: ROLES[kind] ?? kind, title: shortOf(node?.title ?? id), target: targetOf(id, kind) });
      edges.push(kind === "input" ? { from: box, to: me } : { from: me, to: box });
    }
    if (shown.length < ids.length) {
      const box = `${kind} more`;
      const title = `${ids.length - shown.length} more`;
      boxes.push({ id: box, role: ROLES[kind] ?? kind, title, target: restOf(kind) });
      edges.push(kind === "input" ? { from: box, to: me } : { from: me, to: box });
    }
  }
  return { boxes, edges };
}

function targetOf(id: string, kind: string): Target {
  if (id.startsWith("data:")) return { to: "product", name: id.split(":").slice(2).join(":") };
  if (kind === "input" || kind === "output") {
    return { to: "tab", tab: `${kind}s`, data: id.startsWith("dataos://") ? id : undefined };
  }
  const [type = "", , name = "", workspace] = id.split(":");
  return { to: "resource", type, name, workspace };
}

const restOf = (kind: string): Target =>
  kind === "input" || kind === "output" ? { to: "tab", tab: `${kind}s`, data: undefined } : { to: "here" };

/** The part of an address that tells datasets of a product apart: "retail/orders". */
export function shortOf(title: string): string {
  const place = /^dataos:\/\/[^:/]+:(.+)$/.exec(title)?.[1];
  if (place !== undefined) return place;
  const resource = /^[a-z-]+:v\w+:([^:]+)(:[^:]+)?$/.exec(title)?.[1];
  return resource ?? title;
}
