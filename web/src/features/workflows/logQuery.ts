import { queryOptions } from "@tanstack/react-query";

import { joined, offsetsOf, type JobLogs } from "./logs";
import { readLog, type Which } from "./queries";

/** Lines of a log that are read at first; `ALL` of it on demand. */
export const LAST = 1_000;
export const ALL = -1;
const FOLLOW_MS = 1_000;

/** What attempts of a job wrote; each further look asks only for what came since. */
export const logQuery = (which: Which, run: string, node: string, how: { tail: number; follows: boolean }) =>
  queryOptions({
    queryKey: ["resource", "workflow", which.name, which.workspace, "log", run, node, how.tail],
    queryFn: async ({ client, queryKey, signal }): Promise<JobLogs> => {
      const known = client.getQueryData<JobLogs>(queryKey);
      const answered = await readLog(which, run, node, { tail: how.tail, offsets: offsetsOf(known) }, signal);
      return joined(known, answered);
    },
    refetchInterval: how.follows ? FOLLOW_MS : false,
    gcTime: 60_000,
  });
