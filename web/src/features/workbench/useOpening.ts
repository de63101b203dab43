import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";

import type { Desk } from "./desk";
import { benchOf } from "./queries";
import { openTab } from "./state";

/**
 * Opens what the address brings, a statement or a kept bench, and takes it out of the address. Nothing runs by itself:
 * a link may come from anybody. Returns why a bench could not be opened.
 */
export function useOpening(desk: Desk): unknown {
  const { sql, bench, cluster } = useSearch({ from: "/shell/workbench" });
  const navigate = useNavigate({ from: "/workbench" });
  const [failed, setFailed] = useState<unknown>(null);
  useEffect(() => {
    if (sql === undefined && bench === undefined) return;
    if (sql !== undefined) desk.change((state) => openTab(state, { text: sql, cluster: cluster ?? null }));
    if (bench !== undefined) {
      benchOf(bench).then(
        (found) => {
          setFailed(null);
          const { sql: text, name: title } = found;
          desk.change((state) => openTab(state, { text, title, cluster: found.cluster, bench: found }));
        },
        (error: unknown) => setFailed(error),
      );
    }
    const bare = { sql: undefined, bench: undefined, cluster: undefined };
    void navigate({ search: (old) => ({ ...old, ...bare }), replace: true });
  }, [desk, sql, bench, cluster, navigate]);
  return failed;
}
