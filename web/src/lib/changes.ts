/** What the server's stream says of one change. */
export interface Change {
  kind: string;
  topics: string[];
  id: string | null;
  type: string | null;
  name: string | null;
  workspace: string | null;
  run: string | null;
  at: string;
}

/** Types of Resources that decide which catalogs a Cluster shows. */
const MOUNTED = new Set(["cluster", "depot", "lakehouse", "database", "policy", "grant"]);

/** First words of query keys: what a change of a topic makes old. Queries of a Resource are [topic, type, name, ws]. */
export function keysOf(change: Change): (readonly unknown[])[] {
  const keys: (readonly unknown[])[] = [["events"]];
  if (change.topics.includes("notices")) keys.push(["notices"]);
  if (change.kind.startsWith("workspace.")) keys.push(["workspaces"]);
  keys.push(["resources"]);
  if (change.type === "policy") keys.push(["policies"]);
  if (change.type === "grant") keys.push(["grants"], ["policies"]);
  if (change.type === "data") keys.push(["products"], ["product", change.name]);
  if (change.type === "policy") keys.push(["product"]); // what its reader may see of its datasets
  if (MOUNTED.has(change.type ?? "")) keys.push(["catalog"]);
  if (change.type !== null && change.name !== null) {
    keys.push(["resource", change.type, change.name, change.workspace]);
  }
  return keys;
}
