import { IconCircleCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";
import { mineQuery, troubled } from "./queries";
import { ResourceLines } from "./ResourceLines";

const MOST = 8;

/** What the reader owns and what is not well; the stream of changes keeps it true. */
export function Notices(): ReactElement {
  const { data, error, refetch } = useQuery(mineQuery);
  if (error !== null) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeletons rows={4} />;
  const found = troubled(data);
  return (
    <Surface>
      {found.length === 0 ? (
        <EmptyState icon={<IconCircleCheck />} title="All that you own is well" />
      ) : (
        <ResourceLines resources={found.slice(0, MOST)} reasons />
      )}
    </Surface>
  );
}
