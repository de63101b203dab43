import { Outlet, useLocation, useNavigate, useRouter } from "@tanstack/react-router";
import { useQueryClient } from "@tanstack/react-query";
import { Suspense, useEffect, type ReactElement } from "react";

import { Skeletons } from "@/components/Skeletons";
import { depart } from "@/lib/arrival";
import { useLive } from "@/lib/live";
import { onSession } from "@/lib/session";
import { CommandPalette } from "./CommandPalette";
import { Rail } from "./Rail";
import classes from "./Shell.module.css";
import { useShortcuts } from "./useShortcuts";

/** What stands around every screen: rail, palette, shortcuts, news from the server. */
export function Shell(): ReactElement {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const router = useRouter();
  const { href } = useLocation();
  useLive(queries, true);
  useShortcuts();
  useEffect(
    () => router.subscribe("onBeforeNavigate", (event) => (event.pathChanged ? depart() : undefined)),
    [router],
  );
  useEffect(
    () =>
      onSession((news) => {
        if (news !== "ended") return;
        queries.clear();
        void navigate({ to: "/login", search: { next: href } });
      }),
    [queries, navigate, href],
  );
  return (
    <div className={classes.shell}>
      <a href="#main" className={classes.skip}>
        Skip to content
      </a>
      <Rail />
      <main id="main" tabIndex={-1} className={classes.main}>
        <Suspense fallback={<Skeletons />}>
          <Outlet />
        </Suspense>
      </main>
      <CommandPalette />
    </div>
  );
}
