import { queryOptions, useSuspenseQuery } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";

export interface Me {
  user: components["schemas"]["User"];
  /** Use cases that a policy allows: a hint for what to show. */
  may: ReadonlySet<string>;
}

/** Who is signed in, and what that one may do. */
export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async (): Promise<Me> => {
    const [user, cases] = await Promise.all([answer(api.GET("/api/v1/me")), answer(api.GET("/api/v1/me/use-cases"))]);
    return { user, may: new Set(cases.items.filter((c) => c.allowed).map((c) => c.id)) };
  },
  staleTime: 60_000,
});

/** Inside the shell only: it is there. */
export const useMe = (): Me => useSuspenseQuery(meQuery).data;
