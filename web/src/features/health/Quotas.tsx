import { Progress, Stack, Text, Title } from "@mantine/core";
import type { ReactElement } from "react";

import { Surface } from "@/components/Surface";
import type { Metrics } from "./metrics";
import classes from "./Quotas.module.css";
import { isNear, usesOf, type Use } from "./uses";

/** What is used of the disk and of each bound that settings set. */
export function Quotas({ metrics }: { metrics: Metrics }): ReactElement {
  return (
    <section aria-labelledby="health-quotas">
      <Title order={2} id="health-quotas" mb="sm">
        Quotas
      </Title>
      <Surface>
        <Stack gap="md" component="ul" className={classes.list}>
          {usesOf(metrics).map((use) => (
            <Line key={use.name} use={use} />
          ))}
        </Stack>
      </Surface>
    </section>
  );
}

function Line({ use }: { use: Use }): ReactElement {
  return (
    <li>
      <div className={classes.line}>
        <span>{use.name}</span>
        <span>
          {use.words}
          {isNear(use) && ", nearly full"}
        </span>
      </div>
      <Progress
        value={100 * use.share}
        color={isNear(use) ? "var(--bad)" : "var(--accent)"}
        aria-label={`${use.name}: what is used`}
      />
      {use.setting !== "" && (
        <Text size="sm" c="dimmed">
          <code>{use.setting}</code>
        </Text>
      )}
    </li>
  );
}
