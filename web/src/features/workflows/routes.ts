import { createRoute } from "@tanstack/react-router";

import type { OperationsRoute } from "@/features/operations/routes";
import { word, words } from "@/lib/searching";
import { lazyPage } from "@/lib/lazyPage";

/** Filters of the list. */
export interface WorkflowsSearch {
  q?: string;
  state?: string[];
  last?: string[];
  workspace?: string[];
  owner?: string[];
}

/** What is looked at: a run (the newest if none is chosen), a job of it by its path, one of the job's attempts. */
export interface WorkflowSearch {
  run?: string;
  job?: string;
  attempt?: string;
}

export function workflowRoutes(parent: OperationsRoute) {
  return [
    createRoute({
      path: "/workflows",
      getParentRoute: () => parent,
      validateSearch: (s): WorkflowsSearch => ({
        q: word(s.q),
        state: words(s.state),
        last: words(s.last),
        workspace: words(s.workspace),
        owner: words(s.owner),
      }),
      component: lazyPage(() => import("./WorkflowsPage")),
    }),
    createRoute({
      path: "/workflows/$workspace/$name",
      getParentRoute: () => parent,
      validateSearch: (s): WorkflowSearch => ({ run: word(s.run), job: word(s.job), attempt: word(s.attempt) }),
      component: lazyPage(() => import("./WorkflowPage")),
    }),
  ] as const;
}
