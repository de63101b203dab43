import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";

export type Key = components["schemas"]["Key"];
export type NewKey = components["schemas"]["NewKey"];

/** A user's API keys, without the keys themselves. */
export const keysQuery = (user: string) =>
  queryOptions({
    queryKey: ["keys", user],
    queryFn: async ({ signal }): Promise<Key[]> => {
      const path = { id: user };
      return (await answer(api.GET("/api/v1/users/{id}/tokens", { params: { path }, signal }))).items;
    },
  });

/** Make one: the answer is the only place that ever holds it. */
export function createKey(user: string, name: string, hours: number): Promise<NewKey> {
  const body = { name: name === "" ? null : name, duration_s: hours * 3600 };
  return answer(api.POST("/api/v1/users/{id}/tokens", { params: { path: { id: user } }, body }));
}

export const revokeKey = (name: string) => answer(api.DELETE("/api/v1/tokens/{name}", { params: { path: { name } } }));
