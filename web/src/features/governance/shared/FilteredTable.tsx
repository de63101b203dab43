import { IconFilterOff } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { DataTable, type Column } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  idOf: (row: T) => string;
}

/** What a search leaves of a list that is never empty by itself; or that it leaves nothing. */
export function FilteredTable<T extends object>(props: Props<T>): ReactElement {
  if (props.rows.length === 0) return <EmptyState icon={<IconFilterOff />} title="Nothing matches" />;
  return <DataTable {...props} />;
}
