import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import { duration } from "@/lib/durations";
import { count } from "@/lib/sizes";
import type { ClusterUse } from "./analysis";

const percent = (part: number): string => `${Math.round(100 * part)} %`;

const time = (seconds: number | null): string => (seconds === null ? "–" : duration(seconds));

/** Clusters with what was asked of them. */
export const CLUSTER_COLUMNS: readonly Column<ClusterUse>[] = [
  {
    id: "cluster",
    header: "Cluster",
    value: (use) => use.cluster,
    width: 1.6,
    cell: (use) => (
      <Link to="/operations/queries" search={{ cluster: [use.cluster] }} fw={550}>
        {use.cluster}
      </Link>
    ),
  },
  { id: "total", header: "Statements", value: (use) => use.total, cell: (use) => count(use.total) },
  { id: "share", header: "Of all", value: (use) => use.share, cell: (use) => percent(use.share) },
  {
    id: "failed",
    header: "Failed",
    value: (use) => use.failed,
    cell: (use) => `${count(use.failed)} (${percent(use.failed / use.total)})`,
  },
  { id: "cancelled", header: "Cancelled", value: (use) => use.cancelled, cell: (use) => count(use.cancelled) },
  { id: "median", header: "Half within", value: (use) => use.median ?? -1, cell: (use) => time(use.median) },
  { id: "slow", header: "95 % within", value: (use) => use.slow ?? -1, cell: (use) => time(use.slow) },
  { id: "rows", header: "Rows", value: (use) => use.rows, cell: (use) => count(use.rows) },
];
