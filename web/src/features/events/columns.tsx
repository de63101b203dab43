import { momentColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import { detailOf, wordsOf } from "@/features/resources/Happenings";
import type { Happening } from "@/features/resources/queries";
import { AboutLink } from "./AboutLink";
import { aboutOf } from "./happenings";

/** The list of events. */
export const COLUMNS: readonly Column<Happening>[] = [
  momentColumn("at", "When", (item) => item.at, 1.2),
  { id: "kind", header: "Kind", value: (item) => item.kind, width: 1.2 },
  {
    id: "what",
    header: "What",
    value: wordsOf,
    width: 2,
    cell: (item) => (
      <Link
        from="/operations/events"
        to="."
        search={(old) => ({ ...old, event: item.seq })}
        resetScroll={false}
        fw={550}
      >
        {wordsOf(item) || item.kind}
      </Link>
    ),
  },
  {
    id: "name",
    header: "Resource",
    value: (item) => aboutOf(item)?.name ?? item.id ?? "",
    width: 2,
    cell: (item) => <AboutLink item={item} />,
  },
  { id: "type", header: "Type", value: (item) => aboutOf(item)?.type ?? "", width: 1.1 },
  { id: "workspace", header: "Workspace", value: (item) => aboutOf(item)?.workspace ?? "", width: 1.1 },
  {
    id: "by",
    header: "By",
    value: (item) => (item.actor === "control" ? "the platform" : item.actor),
    width: 1.1,
    least: 136,
  },
  { id: "why", header: "Why", value: detailOf, width: 3 },
];
