import { Title } from "@mantine/core";
import type { ReactElement } from "react";

import { DescriptionList } from "@/components/DescriptionList";
import { RelativeTime } from "@/components/RelativeTime";
import { Surface } from "@/components/Surface";
import { backupOf, usageOf } from "./figures";
import type { Metrics } from "./metrics";

/** What goes on in the installation, in numbers. */
export function Usage({ metrics }: { metrics: Metrics }): ReactElement {
  const backup = backupOf(metrics);
  return (
    <section aria-labelledby="health-usage">
      <Title order={2} id="health-usage" mb="sm">
        Usage
      </Title>
      <Surface>
        <DescriptionList
          items={[
            ...usageOf(metrics),
            ["Last backup", backup === null ? "never" : <RelativeTime key="backup" at={backup} />],
          ]}
        />
      </Surface>
    </section>
  );
}
