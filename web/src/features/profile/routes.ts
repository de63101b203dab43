import { createRoute } from "@tanstack/react-router";

import type { shellRoute } from "@/app/router";
import { lazyPage } from "@/lib/lazyPage";

/** What concerns the reader himself. */
export function profileRoutes(parent: typeof shellRoute) {
  const layout = createRoute({
    path: "/profile",
    getParentRoute: () => parent,
    component: lazyPage(() => import("./ProfileLayout")),
  });
  // on its own, as in features/governance/routes.ts
  const children = [
    createRoute({
      path: "/",
      getParentRoute: () => layout,
      component: lazyPage(() => import("./ProfilePage")),
    }),
    createRoute({
      path: "/tokens",
      getParentRoute: () => layout,
      component: lazyPage(() => import("./TokensPage")),
    }),
  ] as const;
  return layout.addChildren(children);
}
