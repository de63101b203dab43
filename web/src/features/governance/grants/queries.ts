import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";
import type { Grant } from "../shared/queries";

type Models = components["schemas"];

const at = (id: string) => ({ params: { path: { id } } });

export const grantQuery = (id: string) =>
  queryOptions({
    queryKey: ["grants", "one", id],
    queryFn: ({ signal }): Promise<Grant> => answer(api.GET("/api/v1/grants/{id}", { ...at(id), signal })),
  });

export const fileGrant = (body: Models["GrantBody"]): Promise<Grant> => answer(api.POST("/api/v1/grants", { body }));

/** Put a request in force; `expires`: until when, null: as it was asked for. */
export const approveGrant = (id: string, reason: string, expires: string | null): Promise<Grant> =>
  answer(api.POST("/api/v1/grants/{id}/approve", { ...at(id), body: { reason, expires } }));

export const rejectGrant = (id: string, reason: string): Promise<Grant> =>
  answer(api.POST("/api/v1/grants/{id}/reject", { ...at(id), body: { reason } }));

/** End a grant, or take a request back. */
export const deleteGrant = (id: string) => answer(api.DELETE("/api/v1/grants/{id}", at(id)));
