import { Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { CodeBlock } from "@/components/CodeBlock";
import { DescriptionList } from "@/components/DescriptionList";
import { Drawer } from "@/components/Drawer";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import type { Happening } from "@/features/resources/queries";
import { exact } from "@/lib/times";
import { AboutLink } from "./AboutLink";
import { aboutOf } from "./happenings";
import { eventQuery } from "./queries";

/** One event as it was written down. `seq`: its number; none: closed. */
export function EventDrawer({ seq, onClose }: { seq: number | undefined; onClose: () => void }): ReactElement {
  const { data, isError, error, refetch } = useQuery({ ...eventQuery(seq ?? 0), enabled: seq !== undefined });
  return (
    <Drawer opened={seq !== undefined} onClose={onClose} title={`Event ${seq ?? ""}`}>
      {isError && <ErrorState error={error} title="This event cannot be shown" onRetry={() => void refetch()} />}
      {data === undefined && !isError && <Skeletons rows={4} />}
      {data === null && <Text>This event is not kept any more, or not for you to see.</Text>}
      {data != null && <Detail item={data} />}
    </Drawer>
  );
}

function Detail({ item }: { item: Happening }): ReactElement {
  const about = aboutOf(item);
  return (
    <Stack>
      <DescriptionList
        items={[
          ["Kind", item.kind],
          ["When", exact(new Date(item.at))],
          ["By", item.actor === "control" ? "the platform" : item.actor],
          ["Resource", <AboutLink key="about" item={item} />],
          ["Type", about?.type],
          ["Workspace", about?.workspace],
          ["Id", item.id],
          ["Number", String(item.seq)],
        ]}
      />
      <CodeBlock label="What was written down" code={JSON.stringify(item.data, null, 2)} />
    </Stack>
  );
}
