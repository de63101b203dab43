import { createRoute, redirect } from "@tanstack/react-router";

import type { shellRoute } from "@/app/router";
import { eventRoutes } from "@/features/events/routes";
import { healthRoutes } from "@/features/health/routes";
import { queryRoutes } from "@/features/queries/routes";
import { resourceRoutes } from "@/features/resources/routes";
import { workflowRoutes } from "@/features/workflows/routes";
import { OperationsLayout } from "./OperationsLayout";

const layoutOf = (parent: typeof shellRoute) =>
  createRoute({ path: "/operations", getParentRoute: () => parent, component: OperationsLayout });

export type OperationsRoute = ReturnType<typeof layoutOf>;

/** Operations with all its pages, under one row of navigation. */
export function operationsRoutes(parent: typeof shellRoute) {
  const layout = layoutOf(parent);
  const start = createRoute({
    path: "/",
    getParentRoute: () => layout,
    beforeLoad: () => {
      throw redirect({ to: "/operations/resources" });
    },
  });
  return layout.addChildren([
    start,
    ...resourceRoutes(layout),
    ...workflowRoutes(layout),
    ...queryRoutes(layout),
    ...eventRoutes(layout),
    ...healthRoutes(layout),
  ]);
}
