import type { Lineage } from "./queries";

/** Who says that something has a tag, in words. */
export function saidBy(source: string): string {
  const [kind = "", ...rest] = source.split(":");
  const name = rest.join(":");
  if (kind === "user") return `user ${name}`;
  if (kind === "job") return `job ${rest.slice(1).join(":") || name}`;
  if (source === "inherited") return "inherited from what it is made of";
  if (source === "suggested") return "suggested by a profile, and accepted";
  return source;
}

/** The columns from which one is made, as addresses: of datasets one step up. */
export function upstreamOf(lineage: Lineage): string[] {
  return lineage.nodes
    .filter((node) => node.up === 1)
    .flatMap((node) =>
      node.columns.length === 0 ? [node.address] : node.columns.map((name) => `${node.address}#${name}`),
    );
}
