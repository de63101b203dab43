import { useQuery } from "@tanstack/react-query";
import { IconHistory } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { Happenings } from "./Happenings";
import { happeningsQuery, type Resource } from "./queries";

/** What happened to a Resource lately. */
export function EventsTab({ resource }: { resource: Resource }): ReactElement {
  const { data, isPending, error, refetch } = useQuery(happeningsQuery(resource));
  if (isPending) return <Skeletons rows={4} />;
  if (error !== null) return <ErrorState error={error} title="Events cannot be shown" onRetry={() => void refetch()} />;
  if (data.length === 0) {
    return (
      <EmptyState icon={<IconHistory />} title="No events are kept">
        Old ones go by themselves (setting <code>keep.events_days</code>).
      </EmptyState>
    );
  }
  return <Happenings items={data} />;
}
