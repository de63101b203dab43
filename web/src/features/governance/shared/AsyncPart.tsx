import type { ReactElement, ReactNode } from "react";

import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";

interface Query<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

interface Props<T> {
  query: Query<T>;
  /** What could not be done: "Grants cannot be shown". */
  failed: string;
  rows?: number;
  children: (data: T) => ReactNode;
}

/** What is read from the server: that it cannot be, that it is on its way, or what it is. */
export function AsyncPart<T>({ query, failed, rows = 4, children }: Props<T>): ReactElement {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error !== null) {
    return <ErrorState error={query.error} title={failed} onRetry={() => void query.refetch()} />;
  }
  return <Skeletons rows={rows} />;
}
