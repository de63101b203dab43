import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";
import type { Sought } from "./seeking";

type Models = components["schemas"];
export type AuditRow = Models["AuditRow"];
export type Verified = Models["Verified"];

const PAGE = 200;
const END = Number.MAX_SAFE_INTEGER;

/** Rows of the audit, the newest first, page by page. */
export const auditQuery = (sought: Sought) =>
  infiniteQueryOptions({
    queryKey: ["audit", "rows", sought],
    initialPageParam: END,
    queryFn: ({ signal, pageParam }) => {
      const query = { ...sought, before: pageParam, limit: PAGE };
      return answer(api.GET("/api/v1/audit", { params: { query }, signal }));
    },
    getNextPageParam: (page) => (page.next === null ? undefined : Number(page.next)),
    staleTime: 0,
  });

/** One row by its number; null for one that is not there, or is not the reader's to see. */
export const auditRowQuery = (seq: number) =>
  queryOptions({
    queryKey: ["audit", "row", seq],
    queryFn: async ({ signal }): Promise<AuditRow | null> => {
      const query = { after: seq - 1, before: seq + 1, limit: 1 };
      return (await answer(api.GET("/api/v1/audit", { params: { query }, signal }))).items[0] ?? null;
    },
    staleTime: Infinity,
  });

/** Is every row as it was written? The server reads them all: asked once, and again on demand. */
export const verifyQuery = queryOptions({
  queryKey: ["audit-verified"],
  queryFn: ({ signal }): Promise<Verified> => answer(api.GET("/api/v1/audit/verify", { signal })),
  staleTime: Infinity,
});
