import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";
import type { User } from "../shared/queries";

type Models = components["schemas"];
export type Change = Models["IdentityChange"];
export type GivenTag = Models["HeimdallTag"];
export type OpenSession = Models["OpenSession"];
export type Invitation = Models["NewInvitation"];

const at = (id: string) => ({ params: { path: { id } } });

/** Key of all that belongs to one user; the list's key begins it, so that a write makes both old. */
export const keyOf = (id: string, ...more: string[]) => ["users", id, ...more];

export const userQuery = (id: string) =>
  queryOptions({
    queryKey: keyOf(id, "itself"),
    queryFn: ({ signal }): Promise<User> => answer(api.GET("/api/v1/users/{id}", { ...at(id), signal })),
  });

/** A user's tags, each with who gave it as far as that is known. */
export const givenTagsQuery = (id: string) =>
  queryOptions({
    queryKey: keyOf(id, "tags"),
    queryFn: async ({ signal }): Promise<GivenTag[]> =>
      (await answer(api.GET("/heimdall/api/v1/users/{id}/tags", { ...at(id), signal }))).items,
  });

/** What happened to a user, newest first. */
export const userChangesQuery = (id: string) =>
  queryOptions({
    queryKey: keyOf(id, "changes"),
    queryFn: async ({ signal }): Promise<Change[]> =>
      (await answer(api.GET("/api/v1/users/{id}/changes", { ...at(id), signal }))).items,
  });

export const sessionsQuery = (id: string) =>
  queryOptions({
    queryKey: keyOf(id, "sessions"),
    queryFn: async ({ signal }): Promise<OpenSession[]> =>
      (await answer(api.GET("/api/v1/users/{id}/sessions", { ...at(id), signal }))).items,
  });

/** The newest thing that the audit says of a user: null where it says nothing (any more). */
export const lastActQuery = (id: string) =>
  queryOptions({
    queryKey: ["audit", "last", id],
    queryFn: async ({ signal }): Promise<Models["AuditRow"] | null> => {
      const query = { actor: id, before: Number.MAX_SAFE_INTEGER, limit: 1 };
      return (await answer(api.GET("/api/v1/audit", { params: { query }, signal }))).items[0] ?? null;
    },
  });

export const createUser = (body: Models["UserBody"]): Promise<User> => answer(api.POST("/api/v1/users", { body }));
export const deleteUser = (id: string) => answer(api.DELETE("/api/v1/users/{id}", at(id)));
export const addTags = (id: string, tags: string[]) =>
  answer(api.PUT("/api/v1/users/{id}/tags", { ...at(id), body: { tags } }));
export const removeTags = (id: string, tags: string[]) =>
  answer(api.POST("/api/v1/users/{id}/tags/remove", { ...at(id), body: { tags } }));
export const setState = (id: string, state: "active" | "disabled"): Promise<Models["UserState"]> =>
  answer(api.PUT("/api/v1/users/{id}/state", { ...at(id), body: { state } }));
export const setProperty = (id: string, key: string, value: string) =>
  answer(api.PUT("/api/v1/users/{id}/properties", { ...at(id), body: { properties: { [key]: value } } }));
export const removeProperty = (id: string, key: string) =>
  answer(api.POST("/api/v1/users/{id}/properties/remove", { ...at(id), body: { keys: [key] } }));
export const endSessions = (id: string): Promise<{ count: number }> =>
  answer(api.DELETE("/api/v1/users/{id}/sessions", at(id)));

/** A link by which a person sets a password, once: the answer is the only place that holds it. */
export const invite = (id: string): Promise<Invitation> => answer(api.POST("/api/v1/users/{id}/invitations", at(id)));
