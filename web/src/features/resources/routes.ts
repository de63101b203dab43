import { createRoute } from "@tanstack/react-router";

import type { OperationsRoute } from "@/features/operations/routes";
import { word, words } from "@/lib/searching";
import { lazyPage } from "@/lib/lazyPage";

/** Filters of the list, kept in the address so that a view can be sent to somebody. */
export interface ListSearch {
  q?: string;
  type?: string[];
  workspace?: string[];
  status?: string[];
  owner?: string[];
}

/** Resources, one Resource, apply. */
export function resourceRoutes(parent: OperationsRoute) {
  return [
    createRoute({
      path: "/resources",
      getParentRoute: () => parent,
      validateSearch: (s): ListSearch => ({
        q: word(s.q),
        type: words(s.type),
        workspace: words(s.workspace),
        status: words(s.status),
        owner: words(s.owner),
      }),
      component: lazyPage(() => import("./ResourcesPage")),
    }),
    createRoute({
      path: "/resources/$type/$name",
      getParentRoute: () => parent,
      validateSearch: (s): { workspace?: string; tab?: string } => ({ workspace: word(s.workspace), tab: word(s.tab) }),
      component: lazyPage(() => import("./ResourcePage")),
    }),
    createRoute({
      path: "/apply",
      getParentRoute: () => parent,
      validateSearch: (s): { type?: string; name?: string; workspace?: string } => ({
        type: word(s.type),
        name: word(s.name),
        workspace: word(s.workspace),
      }),
      component: lazyPage(() => import("./ApplyPage")),
    }),
  ] as const;
}
