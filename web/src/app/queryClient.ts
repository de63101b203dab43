import { QueryClient } from "@tanstack/react-query";

import { Failure } from "@/api/failure";

/** Answers live until something says that they are old: the stream of changes, or our own writes. */
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        // what the server refused it refuses again; what did not reach it may
        retry: (count, error) =>
          count < 2 && (!(error instanceof Failure) || error.status === 0 || error.status >= 502),
        retryDelay: (count) => 500 * 2 ** count,
      },
    },
  });
}
