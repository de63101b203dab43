import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, createRoute, createRouter, redirect } from "@tanstack/react-router";

import { Failure } from "@/api/failure";
import { NotFound } from "./NotFound";
import { RouteError } from "./RouteError";
import { Skeletons } from "@/components/Skeletons";
import { meQuery } from "./me";
import { Shell } from "./Shell";
import { governanceRoutes } from "@/features/governance/routes";
import { loginRoutes } from "@/features/login/routes";
import { operationsRoutes } from "@/features/operations/routes";
import { productsRoutes } from "@/features/products/routes";
import { profileRoutes } from "@/features/profile/routes";
import { workbenchRoutes } from "@/features/workbench/routes";
import { lazyPage } from "@/lib/lazyPage";

export interface Context {
  queries: QueryClient;
}

export const rootRoute = createRootRouteWithContext<Context>()({ notFoundComponent: NotFound });

/** All that needs a session: without one it leads to sign-in, and back afterwards. */
export const shellRoute = createRoute({
  id: "shell",
  getParentRoute: () => rootRoute,
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queries.query({ ...meQuery, staleTime: "static" });
    } catch (error) {
      if (!(error instanceof Failure) || error.status !== 401) throw error;
      throw redirect({ to: "/login", search: { next: location.href } });
    }
  },
  errorComponent: RouteError,
});

const homeRoute = createRoute({
  path: "/",
  getParentRoute: () => shellRoute,
  component: lazyPage(() => import("@/features/home/HomePage")),
});

const kitRoutes = import.meta.env.DEV
  ? [
      createRoute({
        path: "/kit",
        getParentRoute: () => shellRoute,
        component: lazyPage(() => import("@/features/kit/KitPage")),
      }),
    ]
  : [];

const routeTree = rootRoute.addChildren([
  ...loginRoutes(rootRoute),
  shellRoute.addChildren([
    homeRoute,
    ...productsRoutes(shellRoute),
    ...workbenchRoutes(shellRoute),
    operationsRoutes(shellRoute),
    governanceRoutes(shellRoute),
    profileRoutes(shellRoute),
    ...kitRoutes,
  ]),
]);

export function makeRouter(queries: QueryClient) {
  return createRouter({
    routeTree,
    context: { queries },
    defaultPreload: "intent",
    defaultErrorComponent: RouteError,
    defaultPendingComponent: Skeletons,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
