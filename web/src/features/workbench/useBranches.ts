import { useQueries } from "@tanstack/react-query";

import { keyOf, type Below, type Branch } from "./branches";
import { columnsQuery, namesQuery } from "./queries";

interface Branches {
  below: (path: readonly string[]) => Below | undefined;
  /** Why not even the catalogs could be read. */
  error: unknown;
  pending: boolean;
  refetch: () => void;
}

const TABLE_LEVEL = 3;

/** What is below the branches that are open. */
export function useBranches(cluster: string | null, open: ReadonlySet<string>): Branches {
  const paths = [[], ...[...open].map((key) => JSON.parse(key) as string[])];
  const answers = useQueries({
    queries: paths.map((path) => {
      const columns = path.length === TABLE_LEVEL;
      return {
        ...(columns ? columnsQuery(cluster, path) : namesQuery(cluster, path)),
        select: (found: unknown): Branch[] =>
          columns
            ? (found as { name: string; type: string }[]).map(({ name, type }) => ({ path: [...path, name], type }))
            : (found as string[]).map((name) => ({ path: [...path, name] })),
      };
    }),
  });
  const known = new Map<string, Below>();
  paths.forEach((path, position) => {
    const found = answers[position];
    known.set(keyOf(path), { items: found?.data, failed: found?.isError === true });
  });
  const root = answers[0];
  return {
    below: (path) => known.get(keyOf(path)),
    error: root?.data === undefined ? (root?.error ?? null) : null,
    pending: root?.isPending === true,
    refetch: () => void root?.refetch(),
  };
}
