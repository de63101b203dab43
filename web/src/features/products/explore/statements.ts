import { answer, api } from "@/api/client";
import { Failure } from "@/api/failure";
import type { components } from "@/api/schema";

export type Rows = components["schemas"]["Rows"];

/** The route can answer bytes too, to those who ask for them: this client asks for JSON. */
const asRows = (found: Rows | string): Rows => found as Rows;

/** A statement whose answer is waited for. */
export async function ask(sql: string, signal: AbortSignal): Promise<Rows> {
  return asRows(await answer(api.POST("/api/v1/query", { body: { sql }, signal })));
}

/** How long one call waits for the end of a statement: short enough for proxies. */
const WAIT_S = 20;

/** Run a statement apart from this page; its answer stays on the server for a while, to be taken as a file. */
export async function runDetached(
  sql: string,
  signal: AbortSignal,
  onHandle: (id: string) => void,
): Promise<{ id: string; rows: Rows }> {
  const { id } = await answer(api.POST("/api/v1/queries", { body: { sql }, signal }));
  onHandle(id);
  for (;;) {
    try {
      const params = { path: { id }, query: { waitS: WAIT_S } };
      return { id, rows: asRows(await answer(api.GET("/api/v1/queries/{id}/result", { params, signal }))) };
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== "query.unfinished") throw error;
    }
  }
}

/** Stop a statement, or forget its answer. */
export const stopDetached = (id: string) => answer(api.DELETE("/api/v1/queries/{id}", { params: { path: { id } } }));
