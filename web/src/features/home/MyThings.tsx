import { IconBoxOff } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Link } from "@/components/Link";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";
import { mineQuery } from "./queries";
import { ResourceLines } from "./ResourceLines";

const MOST = 8;

/** What the reader made or changed lately. */
export function MyThings(): ReactElement {
  const { data, error, refetch } = useQuery(mineQuery);
  if (error !== null) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeletons rows={4} />;
  return (
    <Surface>
      {data.length === 0 ? (
        <EmptyState
          icon={<IconBoxOff />}
          title="You own nothing yet"
          action={<Link to="/operations/apply">Apply a manifest</Link>}
        />
      ) : (
        <ResourceLines resources={data.slice(0, MOST)} />
      )}
    </Surface>
  );
}
