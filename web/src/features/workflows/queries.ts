import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";
import { runtimeQuery } from "@/features/resources/queries";
import { flowOf, isOpen, type Flow, type Run } from "./flow";

export type Verb = components["schemas"]["Verb"];

/** Which Workflow. */
export interface Which {
  name: string;
  workspace: string;
}

/** Jobs tell nothing while a run goes on, so it is asked again so often. */
const LOOK_MS = 2_000;
const PAGE = 50;

/** Key of all that belongs to a Workflow: the stream of changes makes it old as a whole. */
const keyOf = ({ name, workspace }: Which, ...more: string[]) => ["resource", "workflow", name, workspace, ...more];

const whereOf = ({ name, workspace }: Which) => ({ type: "workflow", name, workspace });

/** The Workflow with its newest run. */
export const flowQuery = (which: Which) => {
  const { queryKey, queryFn } = runtimeQuery(whereOf(which));
  return queryOptions({
    queryKey,
    queryFn,
    select: flowOf,
    refetchInterval: (query) =>
      query.state.data !== undefined && isOpen(flowOf(query.state.data).run) ? LOOK_MS : false,
  });
};

/** The Workflow with one of its runs: jobs as they were declared then. */
export const runQuery = (which: Which, run: string) =>
  queryOptions({
    queryKey: keyOf(which, "run", run),
    queryFn: async ({ signal }): Promise<Flow> => {
      const path = { ...whereOf(which), run };
      const url = "/api/v1/workspaces/{workspace}/resources/{type}/{name}/runs/{run}";
      return flowOf(await answer(api.GET(url, { params: { path }, signal })));
    },
    refetchInterval: (query) => (isOpen(query.state.data?.run) ? LOOK_MS : false),
  });

/** All runs that are kept, newest first, page by page. */
export const runsQuery = (which: Which) =>
  infiniteQueryOptions({
    queryKey: keyOf(which, "runs"),
    queryFn: async ({ pageParam, signal }): Promise<{ runs: Run[]; next: string | null }> => {
      const url = "/api/v1/workspaces/{workspace}/resources/{type}/{name}/runs";
      const query = { limit: PAGE, before: pageParam };
      const page = await answer(api.GET(url, { params: { path: whereOf(which), query }, signal }));
      return { runs: page.items as unknown as Run[], next: page.next === null ? null : String(page.next) };
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.runs.some(isOpen)) === true ? LOOK_MS : false,
  });

/** Ask something of a Workflow. `fromFailed`: only what did not succeed in its newest run. Answers with runs it is about. */
export async function askVerb(which: Which, verb: Verb, fromFailed: boolean): Promise<readonly string[]> {
  const url = "/api/v1/workspaces/{workspace}/resources/{type}/{name}/runtime/{verb}";
  const path = { ...whereOf(which), verb };
  const asked = await answer(api.POST(url, { params: { path }, body: { fromFailed } }));
  return asked.runs;
}

/** Logs of one job of a run as the server sends them: what came after `offsets`, of attempts that have one. */
export async function readLog(
  which: Which,
  run: string,
  node: string,
  asked: { tail: number; offsets: Record<string, number> },
  signal?: AbortSignal,
): Promise<components["schemas"]["Log"]> {
  const url = "/api/v1/workspaces/{workspace}/resources/{type}/{name}/runs/{run}/log";
  const path = { ...whereOf(which), run };
  const query = { node, tail: asked.tail, after: JSON.stringify(asked.offsets) };
  return answer(api.GET(url, { params: { path, query }, signal }));
}
