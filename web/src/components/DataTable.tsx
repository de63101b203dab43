import { Checkbox } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  createColumnHelper,
  createSortedRowModel,
  rowSelectionFeature,
  rowSortingFeature,
  sortFn_alphanumeric,
  tableFeatures,
  useTable,
  type RowSelectionState,
} from "@tanstack/react-table";
import { useMemo, useRef, type ReactElement, type ReactNode } from "react";

import classes from "./DataTable.module.css";
import { HeadCell } from "./HeadCell";

export interface Column<T> {
  id: string;
  header: string;
  /** What the column sorts by, and shows unless `cell` does. */
  value: (row: T) => string | number;
  cell?: (row: T) => ReactNode;
  /** Its share of the table's width (1). */
  width?: number;
  /** Pixels that it has at least; a narrow table scrolls. */
  least?: number;
}

interface Props<T> {
  /** Names the table for those who do not see it. */
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  idOf: (row: T) => string;
  /** Ids of chosen rows; without it nothing can be chosen. */
  selected?: RowSelectionState;
  onSelect?: (selected: RowSelectionState) => void;
}

const ROW_HEIGHT = 44;
const CHECKBOX_WIDTH = 44;
const LEAST_TABLE = 960;
const LEAST_WIDTH = 100;
const features = tableFeatures({
  rowSortingFeature,
  rowSelectionFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric },
});

/** Pixels in which a column can be read: its header is whole, with its arrow and the space beside it. */
function leastOf<T>(column: Column<T>): number {
  return Math.max(column.header.length * 8 + 42, column.least ?? LEAST_WIDTH);
}

/**
 * Rows that are sorted by their headers and may be chosen. Only those in sight are drawn: ten thousand are no burden.
 * Filtering is the caller's: it hands in the rows to show (features/resources/filtering.ts).
 */
export function DataTable<T extends object>(props: Props<T>): ReactElement {
  const { label, rows, columns, idOf, selected, onSelect } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const defined = useMemo(() => {
    const helper = createColumnHelper<typeof features, T>();
    return columns.map((c) =>
      helper.accessor((row): unknown => c.value(row), { id: c.id, header: c.header, sortFn: "alphanumeric" }),
    );
  }, [columns]);
  const table = useTable({
    features,
    columns: defined,
    data: rows,
    getRowId: idOf,
    state: { rowSelection: selected ?? {} },
    onRowSelectionChange: (change) => onSelect?.(typeof change === "function" ? change(selected ?? {}) : change),
    enableRowSelection: onSelect !== undefined,
  });
  const shown = table.getRowModel().rows;
  // eslint-disable-next-line react-hooks/incompatible-library -- what it returns is used here and not handed on
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (position) => shown[position]?.id ?? position,
    overscan: 8,
  });
  const chooses = onSelect !== undefined;
  const template = [
    ...(chooses ? [`${CHECKBOX_WIDTH}px`] : []),
    ...columns.map((c) => `minmax(${leastOf(c)}px, ${c.width ?? 1}fr)`),
  ].join(" ");
  const least = columns.reduce((sum, c) => sum + leastOf(c), chooses ? CHECKBOX_WIDTH : 0);
  const byId = new Map(columns.map((c) => [c.id, c]));
  const grid = { gridTemplateColumns: template };
  return (
    <div className={classes.frame}>
      {/* a region that scrolls must be reachable by keyboard */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div ref={scroller} className={classes.scroller} tabIndex={0} role="region" aria-label={`${label}, scrolls`}>
        <div
          role="table"
          aria-label={label}
          aria-rowcount={shown.length + 1}
          style={{ minWidth: Math.max(least, LEAST_TABLE) }}
        >
          <div role="rowgroup" className={classes.head}>
            <div role="row" aria-rowindex={1} className={classes.row} style={grid}>
              {chooses && (
                <div role="columnheader" className={classes.cell}>
                  <Checkbox
                    aria-label="Choose all"
                    checked={table.getIsAllRowsSelected()}
                    indeterminate={table.getIsSomeRowsSelected() && !table.getIsAllRowsSelected()}
                    onChange={table.getToggleAllRowsSelectedHandler()}
                  />
                </div>
              )}
              {table.getFlatHeaders().map((header) => (
                <HeadCell
                  key={header.id}
                  text={byId.get(header.column.id)?.header ?? ""}
                  sorted={header.column.getIsSorted()}
                  onSort={() => header.column.toggleSorting()}
                />
              ))}
            </div>
          </div>
          <div role="rowgroup" className={classes.body} style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const row = shown[item.index];
              if (row === undefined) return null;
              return (
                <div
                  key={row.id}
                  role="row"
                  aria-rowindex={item.index + 2}
                  aria-selected={chooses ? row.getIsSelected() : undefined}
                  className={classes.row}
                  style={{ ...grid, height: ROW_HEIGHT, transform: `translateY(${item.start}px)` }}
                >
                  {chooses && (
                    <div role="cell" className={classes.cell}>
                      <Checkbox
                        aria-label={`Choose ${row.id}`}
                        checked={row.getIsSelected()}
                        onChange={row.getToggleSelectedHandler()}
                      />
                    </div>
                  )}
                  {columns.map((column) => (
                    <div
                      key={column.id}
                      role="cell"
                      className={classes.cell}
                      title={String(column.value(row.original))}
                    >
                      {column.cell?.(row.original) ?? column.value(row.original)}
                    </div>
                  ))}
                </div>
              );
            })}
          </div>
        </div>
      </div>
    </div>
  );
}
