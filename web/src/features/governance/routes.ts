import { createRoute, redirect } from "@tanstack/react-router";

import type { shellRoute } from "@/app/router";
import { words } from "@/lib/searching";
import { count, oneOf, word } from "./shared/searching";
import type { Made } from "./usecases/templates";
import { lazyPage } from "@/lib/lazyPage";

/** Filters of the list of users. */
export interface UsersSearch {
  q?: string;
  type?: string[];
  state?: string[];
  role?: string[];
}

/** Filters of the list of policies. */
export interface PoliciesSearch {
  q?: string;
  effect?: string[];
  layer?: string[];
  state?: string[];
}

/** What is asked of policies: about whom, what that one wants to do, and to what. */
export interface ExplainSearch {
  user?: string;
  predicate?: string;
  object?: string;
}

/** What is sought in the audit; `row`: the one whose details are open. */
export interface AuditSearch {
  actor?: string;
  action?: string;
  object?: string;
  decision?: "allowed" | "refused";
  since?: string;
  until?: string;
  row?: number;
}

const tab = (s: Record<string, unknown>): { tab?: string } => ({ tab: word(s.tab) });
const text = (s: Record<string, unknown>): { q?: string } => ({ q: word(s.q) });

/** Governance: who there is, who may do what, and what was decided. */
export function governanceRoutes(parent: typeof shellRoute) {
  const layout = createRoute({
    path: "/governance",
    getParentRoute: () => parent,
    component: lazyPage(() => import("./GovernanceLayout")),
  });
  const below = (): typeof layout => layout;
  // on its own: inside the call its types would be inferred from what any route may be
  const children = [
    createRoute({
      getParentRoute: below,
      path: "/",
      beforeLoad: () => {
        throw redirect({ to: "/governance/users" });
      },
    }),
    createRoute({
      getParentRoute: below,
      path: "/users",
      validateSearch: (s): UsersSearch => ({
        ...text(s),
        type: words(s.type),
        state: words(s.state),
        role: words(s.role),
      }),
      component: lazyPage(() => import("./users/UsersPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/users/$id",
      validateSearch: tab,
      component: lazyPage(() => import("./users/UserPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/roles",
      validateSearch: (s): { q?: string; tab?: string } => ({ ...text(s), ...tab(s) }),
      component: lazyPage(() => import("./roles/RolesPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/roles/$id",
      component: lazyPage(() => import("./roles/RolePage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/grants",
      validateSearch: (s): { q?: string; tab?: string } => ({ ...text(s), ...tab(s) }),
      component: lazyPage(() => import("./grants/GrantsPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/grants/new",
      validateSearch: (s): { useCase?: string; subject?: string } => ({
        useCase: word(s.useCase),
        subject: word(s.subject),
      }),
      component: lazyPage(() => import("./grants/RequestPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/grants/$id",
      component: lazyPage(() => import("./grants/GrantPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/use-cases",
      validateSearch: (s): { q?: string; tab?: string } => ({ ...text(s), ...tab(s) }),
      component: lazyPage(() => import("./usecases/UseCasesPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/use-cases/$id",
      component: lazyPage(() => import("./usecases/UseCasePage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/use-cases/providers/$id",
      component: lazyPage(() => import("./usecases/ProviderPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/new",
      validateSearch: (s): { kind?: Made } => ({ kind: oneOf("use-cases", "providers", "tag-namespaces")(s.kind) }),
      component: lazyPage(() => import("./usecases/NewArtifactPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/policies",
      validateSearch: (s): PoliciesSearch => ({
        ...text(s),
        effect: words(s.effect),
        layer: words(s.layer),
        state: words(s.state),
      }),
      component: lazyPage(() => import("./policies/PoliciesPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/policies/$name",
      validateSearch: tab,
      component: lazyPage(() => import("./policies/PolicyPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/explain",
      validateSearch: (s): ExplainSearch => ({
        user: word(s.user),
        predicate: word(s.predicate),
        object: word(s.object),
      }),
      component: lazyPage(() => import("./policies/ExplainPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/simulate",
      validateSearch: (s): { policy?: string } => ({ policy: word(s.policy) }),
      component: lazyPage(() => import("./policies/SimulatePage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/coverage",
      validateSearch: (s): { dataset?: string; viewers?: string } => ({
        dataset: word(s.dataset),
        viewers: word(s.viewers),
      }),
      component: lazyPage(() => import("./policies/CoveragePage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/tags",
      validateSearch: (s): { q?: string; tag?: string } => ({ ...text(s), tag: word(s.tag) }),
      component: lazyPage(() => import("./tags/TagsPage")),
    }),
    createRoute({
      getParentRoute: below,
      path: "/audit",
      validateSearch: (s): AuditSearch => ({
        actor: word(s.actor),
        action: word(s.action),
        object: word(s.object),
        decision: oneOf("allowed", "refused")(s.decision),
        since: word(s.since),
        until: word(s.until),
        row: count(s.row),
      }),
      component: lazyPage(() => import("./audit/AuditPage")),
    }),
  ] as const;
  return layout.addChildren(children);
}
