import type { Product } from "./queries";

export type TabId = "overview" | "inputs" | "outputs" | "explore" | "quality" | "lineage" | "access" | "files";

/** Parts of a product's page, of those that the server says it has and those that follow from its datasets. */
export function tabsOf({ tabs, refs }: Pick<Product, "tabs" | "refs">): [TabId, string][] {
  const has = (name: string): boolean => tabs.includes(name);
  const data = has("Inputs") || has("Outputs");
  const readable = refs.some(({ side, ref }) => (side === "input" || side === "output") && ref.startsWith("dataos://"));
  const found: [TabId, string, boolean][] = [
    ["overview", "Overview", true],
    ["inputs", "Inputs", has("Inputs")],
    ["outputs", "Outputs", has("Outputs")],
    ["explore", "Explore", readable],
    ["quality", "Quality", has("Quality")],
    ["lineage", "Lineage", readable],
    ["access", "Access Options", data],
    ["files", "Files", true],
  ];
  return found.filter(([, , there]) => there).map(([id, label]) => [id, label]);
}
