import { createRoute } from "@tanstack/react-router";

import type { shellRoute } from "@/app/router";
import { lazyPage } from "@/lib/lazyPage";

const VIEWS = ["rows", "chart", "pivot", "policies", "plan", "details"] as const;
const PANELS = ["history", "benches"] as const;
export type View = (typeof VIEWS)[number];
export type Panel = (typeof PANELS)[number];

export interface WorkbenchSearch {
  /** A statement to open (not to run); with the Cluster to ask. */
  sql?: string;
  cluster?: string;
  /** A kept bench to open. */
  bench?: string;
  /** What is looked for in the catalog. */
  find?: string;
  /** How the result is looked at. */
  view?: View;
  panel?: Panel;
}

const word = (value: unknown): string | undefined => {
  if (typeof value === "number") return String(value); // the router reads ?find=2024 as a number
  return typeof value === "string" && value !== "" ? value : undefined;
};

/** The Workbench: write statements, look at what they return. */
export function workbenchRoutes(parent: typeof shellRoute) {
  return [
    createRoute({
      path: "/workbench",
      getParentRoute: () => parent,
      validateSearch: (s): WorkbenchSearch => ({
        sql: word(s.sql),
        cluster: word(s.cluster),
        bench: word(s.bench),
        find: word(s.find),
        view: VIEWS.find((view) => view === s.view),
        panel: PANELS.find((panel) => panel === s.panel),
      }),
      component: lazyPage(() => import("./WorkbenchPage")),
    }),
  ] as const;
}
