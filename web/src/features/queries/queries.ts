import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components, paths } from "@/api/schema";
import { isUnderWay } from "./statements";

type Listed = paths["/api/v1/queries"]["get"]["responses"][200]["content"]["application/json"];
export type Statement = Listed["items"][number];

const PAGE = 200;
/** The stream of changes tells nothing of statements: they are asked for again. */
const LOOK_MS = 5_000;
const LOOK_SOON_MS = 1_000;

/** Statements, newest first, page by page: of the reader, or of everybody (refused to those who may not). */
export const statementsQuery = (all: boolean) =>
  infiniteQueryOptions({
    queryKey: ["statements", all ? "all" : "mine"],
    queryFn: async ({ pageParam, signal }): Promise<{ items: Statement[]; next: number | null }> => {
      const query = { limit: PAGE, before: pageParam, user: all ? "*" : undefined };
      const page = await answer(api.GET("/api/v1/queries", { params: { query }, signal }));
      return { items: page.items, next: page.next === null ? null : Number(page.next) };
    },
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    // pages that were read on demand are not read again and again
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > 1 ? false : LOOK_MS),
  });

/** So many of the newest statements are looked at in an analysis. */
export const MOST_ANALYSED = 5_000;

/** Enough of the newest statements to say what clusters do. */
export const analysisQuery = (all: boolean) =>
  queryOptions({
    queryKey: ["statements", "analysis", all],
    queryFn: async ({ signal }): Promise<Statement[]> => {
      const query = { limit: MOST_ANALYSED, user: all ? "*" : undefined };
      return (await answer(api.GET("/api/v1/queries", { params: { query }, signal }))).items;
    },
  });

export const statementQuery = (id: string) =>
  queryOptions({
    queryKey: ["statement", id],
    queryFn: async ({ signal }): Promise<Statement> =>
      answer(api.GET("/api/v1/queries/{id}", { params: { path: { id } }, signal })),
    refetchInterval: (query) => (query.state.data !== undefined && isUnderWay(query.state.data) ? LOOK_SOON_MS : false),
  });

/** How the engine would answer a statement now, asked by the reader and under the reader's rights. */
export async function explain(statement: Statement): Promise<string> {
  const body = { sql: `EXPLAIN ${statement.sql}`, cluster: statement.cluster };
  const told = await answer(api.POST("/api/v1/query", { body }));
  // the route answers JSON unless it is asked for Arrow
  return (told as components["schemas"]["Rows"]).rows.map((row) => row.map(String).join(" ")).join("\n");
}

/** Stop a statement. False: it had ended already. */
export async function stopStatement(id: string): Promise<boolean> {
  return (await answer(api.DELETE("/api/v1/queries/{id}", { params: { path: { id } } }))).stopped;
}
