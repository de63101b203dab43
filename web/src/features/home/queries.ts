import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { Summary } from "@/features/resources/queries";

/** What the reader owns, newest change first. */
export const mineQuery = queryOptions({
  queryKey: ["resources", "mine"],
  queryFn: async ({ signal }): Promise<Summary[]> => {
    const query = { mine: true, limit: 10_000 };
    const page = await answer(api.GET("/api/v1/resources", { params: { query }, signal }));
    return page.items.toSorted((a, b) => b.updated.localeCompare(a.updated));
  },
});

/** Of what the reader owns: what failed, or whose newest run did. */
export function troubled(mine: readonly Summary[]): Summary[] {
  return mine.filter((r) => r.status === "error" || ["failed", "aborted"].includes(r.runtime));
}
