import { createRoute } from "@tanstack/react-router";

import type { OperationsRoute } from "@/features/operations/routes";
import { lazyPage } from "@/lib/lazyPage";

export function healthRoutes(parent: OperationsRoute) {
  return [
    createRoute({
      path: "/health",
      getParentRoute: () => parent,
      component: lazyPage(() => import("./HealthPage")),
    }),
  ] as const;
}
