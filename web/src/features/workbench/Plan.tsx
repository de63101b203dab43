import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { CodeBlock } from "@/components/CodeBlock";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { explainQuery } from "./queries";
import type { Run } from "./state";
import { textOf } from "./values";

/** What a statement reads and changes, as the gateway resolves it. It does not run for that. */
export function Plan({ run }: { run: Run }): ReactElement {
  const { data, error, refetch } = useQuery(explainQuery(run.sql, "LOGICAL", run));
  if (error !== null) return <ErrorState error={error} title="It cannot be explained" onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeletons rows={3} />;
  return <CodeBlock label="Plan" code={data.rows.map((row) => textOf(row[0])).join("\n")} />;
}
