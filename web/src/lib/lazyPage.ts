import { lazyRouteComponent, type AsyncRouteComponent } from "@tanstack/react-router";
import type { ComponentType } from "react";

import { api } from "@/api/client";
import { Failure } from "@/api/failure";

/** A page whose code comes when it is first opened.
 *
 * Code that cannot be fetched may be that of an older version: the router then loads the whole page anew. A server that
 * does not answer is no reason to do so: what is open would be gone. The page says so instead, and can be tried again. */
export function lazyPage(load: () => Promise<{ default: ComponentType }>): AsyncRouteComponent<object> {
  return lazyRouteComponent(() => load().catch(explain));
}

async function explain(error: unknown): Promise<never> {
  try {
    await api.GET("/api/v1/health");
  } catch (failure) {
    if (failure instanceof Failure && failure.status === 0) throw failure;
  }
  throw error;
}
