import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { Happening } from "@/features/resources/queries";
import { joined, type Seen } from "./happenings";

export const FEW = 1_000;
export const MANY = 10_000;

/** What happened lately to what the reader may see. The stream of changes makes it old: then only what is new is read. */
export const eventsQuery = (many: boolean) => {
  const most = many ? MANY : FEW;
  return queryOptions({
    queryKey: ["events", most],
    queryFn: async ({ client, queryKey, signal }): Promise<Seen> => {
      const known = client.getQueryData<Seen>(queryKey);
      const query = { limit: most, after: known?.next };
      const page = await answer(api.GET("/api/v1/events", { params: { query }, signal }));
      return joined(known, page.items, Number(page.next ?? 0), most);
    },
  });
};

/** One event by its number; null if it is gone, or not for the reader to know. It does not change. */
export const eventQuery = (seq: number) =>
  queryOptions({
    queryKey: ["event", seq],
    queryFn: async ({ signal }): Promise<Happening | null> => {
      const query = { after: seq - 1, limit: 1 };
      const { items } = await answer(api.GET("/api/v1/events", { params: { query }, signal }));
      return items.find((item) => item.seq === seq) ?? null;
    },
    staleTime: Infinity,
  });
