import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components, paths } from "@/api/schema";

type Listed = paths["/api/v1/resources"]["get"]["responses"][200]["content"]["application/json"];
export type Summary = Listed["items"][number];
export type Resource = components["schemas"]["Resource"];
export type Happening = components["schemas"]["Event"];
export type Runtime = components["schemas"]["Runtime"];

const PAGE = 1000;

/** All Resources that the reader may see, page by page. */
export const resourcesQuery = queryOptions({
  queryKey: ["resources"],
  queryFn: async ({ signal }): Promise<Summary[]> => {
    const found: Summary[] = [];
    let after: string | undefined;
    do {
      const query = { limit: PAGE, after };
      const page = await answer(api.GET("/api/v1/resources", { params: { query }, signal }));
      found.push(...page.items);
      after = page.next === null ? undefined : String(page.next);
    } while (after !== undefined);
    return found;
  },
});

interface Where {
  type: string;
  name: string;
  workspace: string | null;
}

/** Key of all that belongs to one Resource: the stream of changes makes it old as a whole. */
const keyOf = ({ type, name, workspace }: Where, ...more: string[]) => ["resource", type, name, workspace, ...more];

export const resourceQuery = (where: Where) =>
  queryOptions({
    queryKey: keyOf(where, "itself"),
    queryFn: async ({ signal }): Promise<Resource> => {
      const { type, name, workspace } = where;
      if (workspace === null) {
        return answer(api.GET("/api/v1/resources/{type}/{name}", { params: { path: { type, name } }, signal }));
      }
      const path = { type, name, workspace };
      return answer(api.GET("/api/v1/workspaces/{workspace}/resources/{type}/{name}", { params: { path }, signal }));
    },
  });

/** Jobs and nodes of the newest run. Fails with `kind.no_runtime` for what never runs. */
export const runtimeQuery = (where: Where) =>
  queryOptions({
    queryKey: keyOf(where, "runtime"),
    queryFn: async ({ signal }): Promise<Runtime> => {
      const { type, name, workspace } = where;
      if (workspace === null) {
        return answer(api.GET("/api/v1/resources/{type}/{name}/runtime", { params: { path: { type, name } }, signal }));
      }
      const path = { type, name, workspace };
      return answer(
        api.GET("/api/v1/workspaces/{workspace}/resources/{type}/{name}/runtime", { params: { path }, signal }),
      );
    },
  });

/** What happened to a Resource lately, newest first. */
export const happeningsQuery = (where: Where) =>
  queryOptions({
    queryKey: keyOf(where, "events"),
    queryFn: async ({ signal }): Promise<Happening[]> => {
      const query = { type: where.type, name: where.name, workspace: where.workspace ?? undefined, limit: 100 };
      const page = await answer(api.GET("/api/v1/events", { params: { query }, signal }));
      return page.items.toReversed();
    },
  });

/** Delete a Resource; refused while something depends on it. */
export async function deleteResource({ type, name, workspace }: Where): Promise<{ result: string }> {
  if (workspace === null) {
    return answer(api.DELETE("/api/v1/resources/{type}/{name}", { params: { path: { type, name } } }));
  }
  const path = { type, name, workspace };
  return answer(api.DELETE("/api/v1/workspaces/{workspace}/resources/{type}/{name}", { params: { path } }));
}
