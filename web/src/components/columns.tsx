import type { Column } from "./DataTable";
import { RelativeTime } from "./RelativeTime";
import { StatusBadge } from "./StatusBadge";

/** Pixels in which a StatusBadge has its word whole. */
export const BADGE_WIDTH = 132;
/** Pixels in which a RelativeTime is whole. */
export const MOMENT_WIDTH = 124;

/** A column of states, each on a badge. */
export function stateColumn<T>(id: string, header: string, state: (row: T) => string, width?: number): Column<T> {
  return { id, header, value: state, width, least: BADGE_WIDTH, cell: (row) => <StatusBadge state={state(row)} /> };
}

/** A column of moments, each as "3 min ago". */
export function momentColumn<T>(id: string, header: string, at: (row: T) => string | null, width?: number): Column<T> {
  return {
    id,
    header,
    value: (row) => at(row) ?? "",
    width,
    least: MOMENT_WIDTH,
    cell: (row) => <RelativeTime at={at(row)} />,
  };
}
