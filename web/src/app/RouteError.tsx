import { useQueryErrorResetBoundary } from "@tanstack/react-query";
import { useRouter, type ErrorComponentProps } from "@tanstack/react-router";
import { useEffect, type ReactElement } from "react";

import { api } from "@/api/client";
import { Failure } from "@/api/failure";
import { ErrorState } from "@/components/ErrorState";

const ASKED_EVERY_MS = 2000;

/** A screen that failed while it was read or drawn. Where the server was away, it goes on when it is there again. */
export function RouteError({ error, reset }: ErrorComponentProps): ReactElement {
  const router = useRouter();
  const queries = useQueryErrorResetBoundary();
  const away = error instanceof Failure && error.status === 0;
  const again = (): void => {
    queries.reset();
    reset();
    void router.invalidate();
  };
  useEffect(() => {
    if (!away) return;
    const timer = setInterval(loadWhenThere, ASKED_EVERY_MS);
    return () => clearInterval(timer);
  }, [away]);
  return <ErrorState error={error} title="This page cannot be shown" onRetry={away ? loadWhenThere : again} />;
}

/** Code that did not come is not asked for again but with the whole page; what stands in its address stays. */
function loadWhenThere(): void {
  api.GET("/api/v1/health").then(
    () => window.location.reload(),
    () => undefined, // not yet
  );
}
