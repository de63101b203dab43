import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";

type Models = components["schemas"];
export type Role = Models["Role"];

/** All roles; everybody may know which there are. */
export const rolesQuery = queryOptions({
  queryKey: ["governance", "known-roles"],
  queryFn: async ({ signal }): Promise<Role[]> => (await answer(api.GET("/api/v1/roles", { signal }))).items,
});

/** Who was given a role, or lost it. */
export const roleChangesQuery = (id: string) =>
  queryOptions({
    queryKey: ["governance", "role-changes", id],
    queryFn: async ({ signal }): Promise<Models["IdentityChange"][]> =>
      (await answer(api.GET("/api/v1/roles/{id}/changes", { params: { path: { id } }, signal }))).items,
  });
