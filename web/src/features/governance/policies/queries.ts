import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";
import type { Summary } from "@/features/resources/queries";
import type { ExplainSearch } from "../routes";

type Models = components["schemas"];
export type Explained = Models["Explained"];
export type Simulated = Models["Simulated"];
export type Effect = Models["Effect"];
export type Coverage = Models["Coverage"];
export type Viewer = Models["Viewer"];
export type Reach = Models["Reach"];

const PAGE = 10_000;

/** Policies as Resources: those that the reader may see. */
export const policyResourcesQuery = queryOptions({
  queryKey: ["policies", "resources"],
  queryFn: async ({ signal }): Promise<Summary[]> => {
    const query = { type: "policy", limit: PAGE };
    return (await answer(api.GET("/api/v1/resources", { params: { query }, signal }))).items;
  },
});

/** Whom and what a policy concerns now. */
export const reachQuery = (name: string) =>
  queryOptions({
    queryKey: ["policies", "reach", name],
    queryFn: ({ signal }): Promise<Reach> =>
      answer(api.GET("/api/v1/policy/rules/{name}/reach", { params: { path: { name } }, signal })),
  });

/** Why somebody may do something, or not: read anew each time it is asked. */
export const explainQuery = ({ user, predicate, object }: ExplainSearch) =>
  queryOptions({
    queryKey: ["policies", "explain", user ?? null, predicate ?? "read", object ?? ""],
    queryFn: ({ signal }): Promise<Explained> => {
      const body = { user: user ?? null, predicate: predicate ?? "read", object: object ?? "" };
      return answer(api.POST("/api/v1/policy/explain", { body, signal }));
    },
    enabled: object !== undefined,
    staleTime: 0,
  });

/** Who would gain and lose what. Nothing is stored. */
export const simulate = (documents: Record<string, unknown>[], gone: string[]): Promise<Simulated> =>
  answer(api.POST("/api/v1/policy/simulate", { body: { documents, delete: gone } }));

export const coverageQuery = (dataset: string | undefined) =>
  queryOptions({
    queryKey: ["policies", "coverage", dataset ?? ""],
    queryFn: ({ signal }): Promise<Coverage> =>
      answer(api.GET("/api/v1/policy/coverage", { params: { query: { dataset } }, signal })),
    staleTime: 0,
  });

/** What each user sees of one column. */
export const viewersQuery = (dataset: string, column: string) =>
  queryOptions({
    queryKey: ["policies", "viewers", dataset, column],
    queryFn: async ({ signal }): Promise<Viewer[]> =>
      (await answer(api.GET("/api/v1/policy/viewers", { params: { query: { dataset, column } }, signal }))).items,
    staleTime: 0,
  });
