import { createRoute } from "@tanstack/react-router";

import type { rootRoute } from "@/app/router";
import { lazyPage } from "@/lib/lazyPage";

interface LoginSearch {
  next?: string;
  problem?: string;
}

/** Screens for who has no session. */
export function loginRoutes(parent: typeof rootRoute) {
  const word = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  return [
    createRoute({
      path: "/login",
      getParentRoute: () => parent,
      validateSearch: (search): LoginSearch => ({ next: word(search.next), problem: word(search.problem) }),
      component: lazyPage(() => import("./SignInPage")),
    }),
    createRoute({
      path: "/login/invitation",
      getParentRoute: () => parent,
      validateSearch: (search): Pick<LoginSearch, "next"> => ({ next: word(search.next) }),
      component: lazyPage(() => import("./InvitationPage")),
    }),
    createRoute({
      path: "/login/done",
      getParentRoute: () => parent,
      component: lazyPage(() => import("./DonePage")),
    }),
  ] as const;
}
