import { momentColumn, stateColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import { duration } from "@/lib/durations";
import { count } from "@/lib/sizes";
import type { Statement } from "./queries";
import { lineOf, secondsOf } from "./statements";

const MOST = 400;

/** The list of statements; times of those under way are until `now`. */
export const columnsOf = (now: Date): readonly Column<Statement>[] => [
  {
    id: "sql",
    header: "Statement",
    value: (s) => lineOf(s.sql).slice(0, MOST),
    width: 3.6,
    cell: (s) => (
      <Link to="/operations/queries/$id" params={{ id: s.id }} ff="monospace" fz="sm">
        {lineOf(s.sql).slice(0, MOST)}
      </Link>
    ),
  },
  stateColumn("state", "State", (s) => s.state, 1.8),
  { id: "why", header: "Why", value: (s) => s.error || (s.state === "queued" ? s.reason : ""), width: 1.7 },
  { id: "user", header: "User", value: (s) => s.user, width: 1.2 },
  { id: "cluster", header: "Cluster", value: (s) => s.cluster, width: 1.3 },
  momentColumn("created", "When", (s) => s.created, 1.5),
  { id: "took", header: "Time", value: (s) => secondsOf(s, now), width: 0.9, cell: (s) => duration(secondsOf(s, now)) },
  {
    id: "rows",
    header: "Rows",
    value: (s) => s.rows ?? -1,
    width: 0.8,
    cell: (s) => (s.rows === null ? "–" : count(s.rows)),
  },
];
