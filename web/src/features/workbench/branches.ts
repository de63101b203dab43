/** Something in the catalog: a catalog, schema, table or column by the length of its path. */
export interface Branch {
  path: string[];
  /** Of columns: their type. */
  type?: string;
}

/** What is known of the things below one. */
export interface Below {
  items: Branch[] | undefined;
  failed: boolean;
}

/** A line of the tree as it is drawn. */
export interface Line {
  key: string;
  branch: Branch;
  level: number;
  open: boolean;
  position: number;
  count: number;
  /** In place of what is below: it is being read, there is nothing, it could not be read. */
  note?: "loading" | "empty" | "failed";
}

export const COLUMN_LEVEL = 4;
export const keyOf = (path: readonly string[]): string => JSON.stringify(path);

/** The lines of a tree, top down. A search leaves those that have it in their name or above one that has. */
export function linesOf(
  below: (path: readonly string[]) => Below | undefined,
  open: ReadonlySet<string>,
  find: string,
): Line[] {
  const wanted = find.trim().toLowerCase();

  const matches = (branch: Branch): boolean =>
    (branch.path.at(-1) ?? "").toLowerCase().includes(wanted) ||
    (below(branch.path)?.items ?? []).some((child) => matches(child));

  const walk = (path: readonly string[], within: boolean): Line[] => {
    const known = below(path)?.items ?? [];
    const shown = wanted === "" || within ? known : known.filter(matches);
    return shown.flatMap((branch, position) => {
      const key = keyOf(branch.path);
      const named = (branch.path.at(-1) ?? "").toLowerCase().includes(wanted);
      const children = below(branch.path);
      const inside = wanted !== "" && !named && !within && children !== undefined;
      const isOpen = open.has(key) || inside;
      const line: Line = { key, branch, level: branch.path.length, open: isOpen, position, count: shown.length };
      if (!isOpen) return [line];
      if (children?.failed === true) return [{ ...line, note: "failed" }];
      if (children?.items === undefined) return [{ ...line, note: "loading" }];
      if (children.items.length === 0) return [{ ...line, note: "empty" }];
      return [line, ...walk(branch.path, within || named)];
    });
  };
  return walk([], false);
}
