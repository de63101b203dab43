import { createRoute } from "@tanstack/react-router";

import type { OperationsRoute } from "@/features/operations/routes";
import { word, words } from "@/lib/searching";
import { lazyPage } from "@/lib/lazyPage";

/** Filters of the list. `whose`: `all` for statements of everybody; `longer`: seconds. */
export interface QueriesSearch {
  q?: string;
  whose?: "all" | "mine";
  user?: string[];
  state?: string[];
  cluster?: string[];
  longer?: number;
}

/** `days`: so long back; 7 if left out. */
export interface AnalysisSearch {
  whose?: "all" | "mine";
  days?: 1 | 30 | 90;
}

export function queryRoutes(parent: OperationsRoute) {
  return [
    createRoute({
      path: "/queries",
      getParentRoute: () => parent,
      validateSearch: (s): QueriesSearch => ({
        q: word(s.q),
        whose: s.whose === "all" || s.whose === "mine" ? s.whose : undefined,
        user: words(s.user),
        state: words(s.state),
        cluster: words(s.cluster),
        longer: typeof s.longer === "number" && s.longer > 0 ? s.longer : undefined,
      }),
      component: lazyPage(() => import("./QueriesPage")),
    }),
    createRoute({
      path: "/queries/analysis",
      getParentRoute: () => parent,
      validateSearch: (s): AnalysisSearch => ({
        whose: s.whose === "all" || s.whose === "mine" ? s.whose : undefined,
        days: s.days === 1 || s.days === 30 || s.days === 90 ? s.days : undefined,
      }),
      component: lazyPage(() => import("./AnalysisPage")),
    }),
    createRoute({
      path: "/queries/$id",
      getParentRoute: () => parent,
      component: lazyPage(() => import("./StatementPage")),
    }),
  ] as const;
}
