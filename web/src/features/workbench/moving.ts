/** A place in a grid. */
export interface Cell {
  row: number;
  column: number;
}

interface Size {
  rows: number;
  columns: number;
  /** Rows that are in sight at once. */
  page: number;
}

interface Pressed {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
}

/** Where a key leads; null where it leads nowhere. The first one leads to the first cell, unless it goes far. */
export function moved(at: Cell | null, { key, ctrlKey, metaKey }: Pressed, { rows, columns, page }: Size): Cell | null {
  const far = ctrlKey || metaKey;
  const steps: Record<string, Cell> = {
    ArrowUp: { row: far ? -rows : -1, column: 0 },
    ArrowDown: { row: far ? rows : 1, column: 0 },
    ArrowLeft: { row: 0, column: far ? -columns : -1 },
    ArrowRight: { row: 0, column: far ? columns : 1 },
    PageUp: { row: -page, column: 0 },
    PageDown: { row: page, column: 0 },
    Home: { row: far ? -rows : 0, column: -columns },
    End: { row: far ? rows : 0, column: columns },
  };
  const step = steps[key];
  if (step === undefined) return null;
  if (at === null && !far) return { row: 0, column: 0 };
  const from = at ?? { row: 0, column: 0 };
  const within = (value: number, count: number): number => Math.min(Math.max(value, 0), count - 1);
  return { row: within(from.row + step.row, rows), column: within(from.column + step.column, columns) };
}

/** The pages that rows from one to another are on. */
export function pagesOf(first: number, last: number, size: number): number[] {
  const from = Math.floor(first / size);
  return Array.from({ length: Math.floor(last / size) - from + 1 }, (_, position) => from + position);
}
