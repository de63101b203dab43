import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";

type Models = components["schemas"];
export type User = Models["User"];
export type Grant = Models["Grant"];
export type Rule = Models["InForce"];

/** What governs and is no Resource, by the address that it has. */
export type Kind = "roles" | "tag-namespaces" | "use-cases" | "providers";

/** All users; who somebody is, is no secret. */
export const usersQuery = queryOptions({
  queryKey: ["users"],
  queryFn: async ({ signal }): Promise<User[]> => (await answer(api.GET("/api/v1/users", { signal }))).items,
});

/** Grants and requests, the newest first: all of them, or those that concern the reader. */
export const grantsQuery = queryOptions({
  queryKey: ["grants"],
  queryFn: async ({ signal }): Promise<Grant[]> => (await answer(api.GET("/api/v1/grants", { signal }))).items,
});

/** Grants and requests for a user, by any of its tags. */
export const grantsOfQuery = (user: string) =>
  queryOptions({
    queryKey: ["grants", "of", user],
    queryFn: async ({ signal }): Promise<Grant[]> =>
      (await answer(api.GET("/api/v1/grants", { params: { query: { user } }, signal }))).items,
  });

/** Policies that decide now. */
export const rulesQuery = queryOptions({
  queryKey: ["policies", "rules"],
  queryFn: async ({ signal }): Promise<Rule[]> => (await answer(api.GET("/api/v1/policy/rules", { signal }))).items,
});

/** Those that concern a user. */
export const rulesOfQuery = (user: string) =>
  queryOptions({
    queryKey: ["policies", "rules", user],
    queryFn: async ({ signal }): Promise<Rule[]> =>
      (await answer(api.GET("/api/v1/policy/rules", { params: { query: { user } }, signal }))).items,
  });

/** All artifacts of a kind, as the caller reads them. */
export const artifactsQuery = (kind: Kind) =>
  queryOptions({
    queryKey: ["governance", kind],
    queryFn: async ({ signal }): Promise<Models["Artifact"][]> =>
      (await answer(api.GET("/api/v1/governance/{kind}", { params: { path: { kind } }, signal }))).items,
  });

export const artifactQuery = (kind: Kind, id: string) =>
  queryOptions({
    queryKey: ["governance", kind, id],
    queryFn: ({ signal }): Promise<Models["Artifact"]> =>
      answer(api.GET("/api/v1/governance/{kind}/{id}", { params: { path: { kind, id } }, signal })),
  });

export const createArtifact = (kind: Kind, body: Record<string, unknown>): Promise<Models["Artifact"]> =>
  answer(api.POST("/api/v1/governance/{kind}", { params: { path: { kind } }, body }));

/** Remove one. With `force` also if it is in use: its grants end. */
export const deleteArtifact = (kind: Kind, id: string, force: boolean) =>
  answer(api.DELETE("/api/v1/governance/{kind}/{id}", { params: { path: { kind, id }, query: { force } } }));
