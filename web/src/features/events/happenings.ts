import { detailOf, wordsOf } from "@/features/resources/Happenings";
import type { Happening } from "@/features/resources/queries";
import type { EventsSearch } from "./routes";

/** Events that were read, newest first. `next`: after which number to go on. */
export interface Seen {
  items: readonly Happening[];
  next: number;
}

/** What was seen with what came after it (oldest first, as the server tells it); no more than `most`. */
export function joined(known: Seen | undefined, came: readonly Happening[], next: number, most: number): Seen {
  return { items: [...came.toReversed(), ...(known?.items ?? [])].slice(0, most), next };
}

/** What an event is about. */
export interface About {
  type: string;
  name: string;
  workspace: string | null;
}

/** The Resource of an event, from its id `TYPE:VERSION:NAME[:WORKSPACE]`; null if it is about none. */
export function aboutOf({ id }: Happening): About | null {
  const [type, version, name, workspace = null] = id?.split(":") ?? [];
  return type && version && name ? { type, name, workspace } : null;
}

/** The run that an event is about, if it is about one. */
export function runOf(item: Happening): string | null {
  const { run } = item.data;
  return typeof run === "string" && run !== "" ? run : null;
}

type Key = "kind" | "type" | "workspace" | "by";

export const FILTERS: readonly { key: Key; label: string; of: (item: Happening) => string }[] = [
  { key: "kind", label: "Kind", of: (item) => item.kind },
  { key: "type", label: "Type", of: (item) => aboutOf(item)?.type ?? "" },
  { key: "workspace", label: "Workspace", of: (item) => aboutOf(item)?.workspace ?? "" },
  { key: "by", label: "User", of: (item) => item.actor },
];

const HOUR_MS = 3_600_000;

/** What search and filters leave. */
export function chosenOf(items: readonly Happening[], search: EventsSearch, now: Date): Happening[] {
  const text = search.q?.trim().toLowerCase() ?? "";
  const since = search.within === undefined ? 0 : now.getTime() - search.within * HOUR_MS;
  return items.filter(
    (item) =>
      new Date(item.at).getTime() >= since &&
      (text === "" || textOf(item).includes(text)) &&
      FILTERS.every(({ key, of }) => search[key] === undefined || search[key].includes(of(item))),
  );
}

const textOf = (item: Happening): string =>
  [item.id ?? "", wordsOf(item), detailOf(item), runOf(item) ?? ""].join(" ").toLowerCase();
