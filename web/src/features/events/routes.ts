import { createRoute } from "@tanstack/react-router";

import type { OperationsRoute } from "@/features/operations/routes";
import { word, words } from "@/lib/searching";
import { lazyPage } from "@/lib/lazyPage";

/** Filters of the list. `within`: hours; `many`: read far back; `event`: the number of the one that is looked at. */
export interface EventsSearch {
  q?: string;
  kind?: string[];
  type?: string[];
  workspace?: string[];
  by?: string[];
  within?: number;
  many?: boolean;
  event?: number;
}

export function eventRoutes(parent: OperationsRoute) {
  return [
    createRoute({
      path: "/events",
      getParentRoute: () => parent,
      validateSearch: (s): EventsSearch => ({
        q: word(s.q),
        kind: words(s.kind),
        type: words(s.type),
        workspace: words(s.workspace),
        by: words(s.by),
        within: typeof s.within === "number" && s.within > 0 ? s.within : undefined,
        many: s.many === true ? true : undefined,
        event: typeof s.event === "number" && Number.isSafeInteger(s.event) && s.event > 0 ? s.event : undefined,
      }),
      component: lazyPage(() => import("./EventsPage")),
    }),
  ] as const;
}
