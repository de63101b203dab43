import { queryOptions } from "@tanstack/react-query";
import createClient from "openapi-fetch";

import { answer, api } from "@/api/client";
import { unreachable } from "@/api/failure";
import type { components, paths } from "@/api/schema";
import { metricsOf, type Metrics } from "./metrics";
import { partsOf, type Part } from "./parts";

export type Finding = components["schemas"]["Finding"];

const LOOK_MS = 15_000;
/** Says with status 503 which part cannot work: that is an answer here, and no failure. */
const plain = createClient<paths>({ baseUrl: "", credentials: "same-origin" });

/** Parts of the server that answers, engines, and all servers of its store. */
export const partsQuery = queryOptions({
  queryKey: ["health", "parts"],
  queryFn: async ({ signal }): Promise<Part[]> => {
    const [ready, health] = await Promise.all([
      plain.GET("/ready", { signal }).catch(() => {
        throw unreachable();
      }),
      answer(api.GET("/api/v1/health", { signal })),
    ]);
    const told = ready.data ?? (ready.error as components["schemas"]["Ready"] | undefined);
    return partsOf(told?.parts ?? [], health.parts);
  },
  refetchInterval: LOOK_MS,
});

/** What the server finds when it examines itself and its home. For operators; takes a moment. */
export const doctorQuery = queryOptions({
  queryKey: ["health", "doctor"],
  queryFn: async ({ signal }): Promise<Finding[]> => (await answer(api.GET("/api/v1/doctor", { signal }))).items,
  staleTime: 60_000,
});

/** What is used of what. For those who may read metrics. */
export const metricsQuery = queryOptions({
  queryKey: ["health", "metrics"],
  queryFn: async ({ signal }): Promise<Metrics> =>
    metricsOf(await answer(api.GET("/metrics", { parseAs: "text", signal }) as Promise<{ data?: string }>)),
  refetchInterval: LOOK_MS,
});
