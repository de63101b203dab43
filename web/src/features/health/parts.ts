/** Something that must work. `detail` is told to operators. */
export interface Part {
  name: string;
  about: string;
  ok: boolean;
  detail: string;
}

interface Told {
  name: string;
  ok: boolean;
  detail?: unknown;
}

const ABOUT: Record<string, string> = {
  store: "keeps all state",
  reconciler: "makes what manifests declare",
  engine: "answers statements",
  catalog: "knows lakehouses' tables",
  timers: "start scheduled Workflows",
  server: "this process",
  cluster: "a query engine's process",
};

/** Parts as `/ready` and `/health` tell them, each name once; what is not well first. */
export function partsOf(ready: readonly Told[], health: readonly Told[]): Part[] {
  const found = new Map<string, Part>();
  for (const { name, ok, detail } of [...ready, ...health]) {
    const before = found.get(name);
    const text = typeof detail === "string" ? detail : "";
    found.set(name, {
      name,
      about: name.startsWith("server ") ? "a server of this store" : (ABOUT[name.split(" ")[0] ?? ""] ?? ""),
      ok: ok && before?.ok !== false,
      detail: before === undefined || before.detail === "" ? text : before.detail,
    });
  }
  return [...found.values()].sort((a, b) => Number(a.ok) - Number(b.ok));
}

export const isServer = (part: Part): boolean => part.name.startsWith("server ");
