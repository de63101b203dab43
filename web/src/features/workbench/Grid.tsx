import { useQueries } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useId, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { toast } from "@/lib/toasts";
import { CellDetail } from "./CellDetail";
import classes from "./Grid.module.css";
import { moved, pagesOf, type Cell } from "./moving";
import { pageQuery, PAGE } from "./queries";
import { RowBlocks } from "./RowBlocks";
import { isNumeric, textOf, widthsOf } from "./values";

const HEIGHT = 28;
const HEAD = 46;
const NUMBERS = 64;
/** Rows drawn in one scroll area: browsers make elements no higher than some 17 million pixels. */
const BLOCK = 500_000;

interface Props {
  handle: string;
  columns: readonly { name: string; type: string }[];
  rowCount: number;
  first: unknown[][];
}

/** Rows of an answer, as many as it has: those in sight are fetched and drawn. Arrow keys go, Ctrl C takes a value. */
export function Grid({ handle, columns, rowCount, first }: Props): ReactElement {
  const prefix = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const [block, setBlock] = useState(0);
  const [at, setAt] = useState<Cell | null>(null);
  const before = block * BLOCK;
  const count = Math.min(rowCount - before, BLOCK);
  const widths = useMemo(() => widthsOf(columns, first), [columns, first]);
  const getScrollElement = (): HTMLDivElement | null => scroller.current;
  // eslint-disable-next-line react-hooks/incompatible-library -- what it returns is used here and not handed on
  const vertical = useVirtualizer({
    count,
    getScrollElement,
    estimateSize: () => HEIGHT,
    scrollMargin: HEAD,
    scrollPaddingStart: HEAD,
    overscan: 8,
  });
  const horizontal = useVirtualizer({
    horizontal: true,
    count: columns.length,
    getScrollElement,
    estimateSize: (position) => widths[position] ?? 0,
    paddingStart: NUMBERS,
    scrollPaddingStart: NUMBERS,
    overscan: 2,
  });
  const lines = vertical.getVirtualItems();
  const cells = horizontal.getVirtualItems();
  const width = horizontal.getTotalSize();
  const wanted = pagesOf(before + (lines[0]?.index ?? 0), before + (lines.at(-1)?.index ?? 0), PAGE);
  const pages = useQueries({ queries: wanted.map((page) => pageQuery(handle, page, first)) });
  const rowAt = (row: number): unknown[] | undefined => {
    const absolute = before + row;
    return pages[wanted.indexOf(Math.floor(absolute / PAGE))]?.data?.[absolute % PAGE];
  };
  const failed = pages.find((page) => page.isError);
  const value = at === null ? undefined : rowAt(at.row)?.[at.column];
  const turn = (to: number): void => {
    setBlock(to);
    setAt(null);
    vertical.scrollToIndex(0);
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === "c" && (event.ctrlKey || event.metaKey)) {
      if (at === null || value === undefined || window.getSelection()?.isCollapsed === false) return;
      event.preventDefault();
      void navigator.clipboard.writeText(value === null ? "" : textOf(value)).then(() => toast("The value is copied"));
      return;
    }
    const inSight = Math.max(Math.floor((scroller.current?.clientHeight ?? 0) / HEIGHT) - 3, 1);
    const next = moved(at, event, { rows: count, columns: columns.length, page: inSight });
    if (next === null) return;
    event.preventDefault();
    setAt(next);
    vertical.scrollToIndex(next.row);
    horizontal.scrollToIndex(next.column);
  };
  const point = (event: MouseEvent): void => {
    const cell = (event.target as HTMLElement).closest<HTMLElement>("[data-row]");
    if (cell !== null) setAt({ row: Number(cell.dataset.row), column: Number(cell.dataset.column) });
  };
  const seen =
    at !== null && lines.some((l) => l.index === at.row) && cells.some((c) => c.index === at.column)
      ? `${prefix}-${at.row}-${at.column}`
      : undefined;
  return (
    <>
      {failed !== undefined && (
        <ErrorState
          error={failed.error}
          title="Some rows cannot be shown"
          onRetry={() => void pages.map((p) => p.isError && p.refetch())}
        />
      )}
      <div
        ref={scroller}
        role="grid"
        aria-label="Rows"
        aria-rowcount={rowCount + 1}
        aria-colcount={columns.length}
        aria-activedescendant={seen}
        tabIndex={0}
        className={classes.grid}
        onKeyDown={press}
        onClick={point}
      >
        <div role="rowgroup" className={classes.head} style={{ width, height: HEAD }}>
          <div role="row" aria-rowindex={1}>
            <span className={classes.corner} style={{ width: NUMBERS }} aria-hidden />
            {cells.map((cell) => (
              <div
                key={cell.key}
                role="columnheader"
                aria-colindex={cell.index + 1}
                className={classes.title}
                style={{ width: cell.size, transform: `translateX(${cell.start}px)` }}
              >
                <span>{columns[cell.index]?.name}</span>
                <span className={classes.type}>{columns[cell.index]?.type}</span>
              </div>
            ))}
          </div>
        </div>
        <div role="rowgroup" className={classes.body} style={{ width, height: vertical.getTotalSize() }}>
          {lines.map((line) => {
            const row = rowAt(line.index);
            return (
              <div
                key={line.key}
                role="row"
                aria-rowindex={before + line.index + 2}
                aria-busy={row === undefined}
                className={classes.row}
                style={{ height: HEIGHT, transform: `translateY(${line.start - HEAD}px)` }}
              >
                <span className={classes.number} style={{ width: NUMBERS }} aria-hidden>
                  {before + line.index + 1}
                </span>
                {cells.map((cell) => (
                  <div
                    key={cell.key}
                    id={`${prefix}-${line.index}-${cell.index}`}
                    role="gridcell"
                    aria-colindex={cell.index + 1}
                    aria-selected={at?.row === line.index && at.column === cell.index}
                    data-row={line.index}
                    data-column={cell.index}
                    data-null={row?.[cell.index] === null}
                    data-number={isNumeric(columns[cell.index]?.type ?? "")}
                    className={classes.cell}
                    style={{ width: cell.size, transform: `translateX(${cell.start}px)` }}
                  >
                    {row === undefined ? "…" : textOf(row[cell.index]).slice(0, 200)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
      <RowBlocks rowCount={rowCount} size={BLOCK} block={block} onChange={turn} />
      {at !== null && value !== undefined && (
        <CellDetail column={columns[at.column]} row={before + at.row + 1} value={value} />
      )}
    </>
  );
}
