import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import { Failure } from "@/api/failure";
import type { components, paths } from "@/api/schema";
import { dotted } from "./names";
import { above } from "./places";
import type { Answer, Bench, Session } from "./state";
import { parseExactly } from "./values";

export type Statement = paths["/api/v1/queries/{id}"]["get"]["responses"][200]["content"]["application/json"];
export type BenchSummary = components["schemas"]["BenchSummary"];
export type BenchBody = components["schemas"]["BenchBody"];

/** What the history calls the statements of people, and those that the screen asks for them. */
export const SOURCE = "Workbench";
export const ASIDE = "Workbench, aside";

export const PAGE = 500;
/** Rows of an answer from which charts are drawn. */
export const CHARTED = 2000;
/** Rows of an answer that are grouped in a pivot: as many as one call gives. */
export const PIVOTED = 10_000;
const HISTORY = 100;

export interface Place {
  cluster: string | null;
  session: Session | null;
}

/** A short statement that the screen itself asks: its rows as they are. */
export async function ask(sql: string, place: Place, signal?: AbortSignal): Promise<Answer> {
  const body = { sql, source: ASIDE, cluster: place.cluster, session: place.session };
  return (await answer(api.POST("/api/v1/query", { body, signal }))) as Answer;
}

/** A part of an answer that is kept. */
export async function partOf(handle: string, offset: number, limit: number, waitS: number, signal?: AbortSignal) {
  const params = { path: { id: handle }, query: { waitS, offset, limit } };
  const call = api.GET("/api/v1/queries/{id}/result", { params, parseAs: "text", signal });
  return parseExactly((await call).data as unknown as string) as Answer;
}

/** Rows of an answer, page by page. They do not change. */
export const pageQuery = (handle: string, page: number, first?: unknown[][]) =>
  queryOptions({
    queryKey: ["result", handle, page],
    queryFn: async ({ signal }) => (await partOf(handle, page * PAGE, PAGE, 0, signal)).rows,
    initialData: page === 0 ? first : undefined,
    staleTime: "static",
    gcTime: 60_000,
  });

export const firstRowsQuery = (handle: string, count: number) =>
  queryOptions({
    queryKey: ["result", handle, "first", count],
    queryFn: async ({ signal }) => (await partOf(handle, 0, count, 0, signal)).rows,
    staleTime: "static",
    gcTime: 60_000,
  });

/** What the server knows of a statement: whether it waits and why, what policies did to its tables. */
export const statementQuery = (handle: string, going: boolean) =>
  queryOptions({
    queryKey: ["statement", handle, going],
    queryFn: async ({ signal }): Promise<Statement | null> => {
      try {
        return await answer(api.GET("/api/v1/queries/{id}", { params: { path: { id: handle } }, signal }));
      } catch (error) {
        // the history has a statement a moment after it began
        if (going && error instanceof Failure && error.code === "query.not_found") return null;
        throw error;
      }
    },
    // how it ended is written a moment after its answer is there
    refetchInterval: ({ state }) => (going || state.data?.finished === null ? 1500 : false),
  });

export const explainQuery = (sql: string, type: "LOGICAL" | "POLICY", place: Place) =>
  queryOptions({
    queryKey: ["explain", place.cluster, place.session, type, sql],
    queryFn: async ({ signal }) => {
      try {
        return await ask(`EXPLAIN (TYPE ${type})\n${sql}`, place, signal);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        throw new Failure(above(error.problems), error.status); // its own line stands before the statement's
      }
    },
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });

export const historyQuery = infiniteQueryOptions({
  queryKey: ["statements"],
  initialPageParam: undefined as number | undefined,
  queryFn: async ({ pageParam, signal }) => {
    const query = { limit: HISTORY, before: pageParam };
    return answer(api.GET("/api/v1/queries", { params: { query }, signal }));
  },
  getNextPageParam: (last) => (typeof last.next === "number" ? last.next : undefined),
  staleTime: 0,
});

// --- the catalog, under policy -----------------------------------------------------------------------------------------

export interface ColumnInfo {
  name: string;
  type: string;
}

/** Names below a path: catalogs, schemas of one, tables of that. */
export const namesQuery = (cluster: string | null, path: readonly string[]) =>
  queryOptions({
    queryKey: ["catalog", cluster, ...path],
    queryFn: async ({ signal }): Promise<string[]> => {
      const what = ["CATALOGS", "SCHEMAS", "TABLES"][path.length] ?? "";
      const from = path.length > 0 ? ` FROM ${dotted(...path)}` : "";
      const { rows } = await ask(`SHOW ${what}${from}`, { cluster, session: null }, signal);
      return rows.map((row) => String(row[0]));
    },
  });

export const columnsQuery = (cluster: string | null, path: readonly string[]) =>
  queryOptions({
    queryKey: ["catalog", cluster, ...path],
    queryFn: async ({ signal }): Promise<ColumnInfo[]> => {
      const { rows } = await ask(`SHOW COLUMNS FROM ${dotted(...path)}`, { cluster, session: null }, signal);
      return rows.map((row) => ({ name: String(row[0]), type: String(row[1]) }));
    },
  });

export const functionsQuery = (cluster: string | null) =>
  queryOptions({
    queryKey: ["functions", cluster],
    queryFn: async ({ signal }): Promise<string[]> => {
      const { rows } = await ask("SHOW FUNCTIONS", { cluster, session: null }, signal);
      return [...new Set(rows.map((row) => String(row[0])))];
    },
    staleTime: "static",
  });

// --- benches -----------------------------------------------------------------------------------------------------------

export const benchesQuery = queryOptions({
  queryKey: ["benches"],
  queryFn: async ({ signal }) => (await answer(api.GET("/api/v1/benches", { signal }))).items,
  staleTime: 0,
});

export const benchOf = (id: string): Promise<Bench> =>
  answer(api.GET("/api/v1/benches/{id}", { params: { path: { id } } }));

/** Keep a new bench, or change the one that was read. */
export function saveBench(body: BenchBody, old: Bench | null): Promise<Bench> {
  if (old === null) return answer(api.POST("/api/v1/benches", { body }));
  const params = { path: { id: old.id } };
  return answer(api.PUT("/api/v1/benches/{id}", { params, body: { ...body, version: old.version } }));
}

export const deleteBench = (id: string) => answer(api.DELETE("/api/v1/benches/{id}", { params: { path: { id } } }));
