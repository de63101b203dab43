import { Code, Text, Timeline } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { RelativeTime } from "@/components/RelativeTime";
import { Skeletons } from "@/components/Skeletons";
import { versionsQuery } from "./fileQueries";
import type { Product } from "./queries";

const MOST = 8;

/** Who applied what when, newest first. */
export function Generations({ product }: { product: Product }): ReactElement {
  const { data, error, refetch } = useQuery(versionsQuery(product.version, product.name));
  if (error !== null) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeletons rows={3} />;
  return (
    <Timeline bulletSize={12} lineWidth={2} active={data.length}>
      {data.map(({ generation, current, appliedBy, appliedAt, changes }) => (
        <Timeline.Item key={generation} title={`Generation ${generation}${current ? " (in force)" : ""}`}>
          <Text size="sm" c="dimmed">
            <RelativeTime at={appliedAt} /> · by {appliedBy}
          </Text>
          {changes.slice(0, MOST).map(({ path }) => (
            <Text key={path} size="sm">
              <Code>{path}</Code> changed
            </Text>
          ))}
          {changes.length > MOST && <Text size="sm">and {changes.length - MOST} others</Text>}
        </Timeline.Item>
      ))}
    </Timeline>
  );
}
