import { SimpleGrid, Stack, Title } from "@mantine/core";
import { IconBoxOff } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { Failure } from "@/api/failure";
import { CodeBlock } from "@/components/CodeBlock";
import { DescriptionList } from "@/components/DescriptionList";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { ProblemList } from "@/components/ProblemList";
import { RelativeTime } from "@/components/RelativeTime";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";

const FAULT = { code: "manifest.field", message: "`type` is missing", hint: "write `type: depot`", line: 3, column: 1 };

/** What stands where data stands, or would. */
export function KitStates(): ReactElement {
  return (
    <section aria-label="States">
      <Title order={2} mb="sm">
        States
      </Title>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Surface>
          <EmptyState icon={<IconBoxOff />} title="EmptyState">
            What it means and what to do.
          </EmptyState>
        </Surface>
        <Surface>
          <ErrorState error={new Failure([FAULT], 422)} title="ErrorState" onRetry={() => undefined} />
        </Surface>
        <Surface>
          <Stack>
            <ProblemList problems={[FAULT]} tone="warn" />
            <Skeletons rows={3} />
          </Stack>
        </Surface>
        <Surface>
          <DescriptionList
            items={[
              ["DescriptionList", "value"],
              ["Empty", ""],
              ["RelativeTime", <RelativeTime key="t" at={"2026-01-01T00:00:00Z"} />],
            ]}
          />
        </Surface>
        <CodeBlock label="a sample" code={"name: sample\nversion: v1\ntype: depot\n"} />
      </SimpleGrid>
    </section>
  );
}
