import { Progress, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";

import { duration } from "@/lib/durations";
import type { Statement } from "./queries";
import { stepsOf } from "./statements";
import classes from "./Steps.module.css";

/** Where a statement's time went, step by step. */
export function Steps({ statement }: { statement: Statement }): ReactElement {
  const steps = stepsOf(statement.timings);
  const whole = steps.at(-1)?.at ?? 0;
  if (steps.length === 0) return <Text c="dimmed">No step is done yet.</Text>;
  return (
    <Stack gap="sm" component="ol" className={classes.steps}>
      {steps.map((step) => (
        <li key={step.name}>
          <div className={classes.line}>
            <span>{step.name}</span>
            <span>{duration(step.took)}</span>
          </div>
          <Progress
            value={whole === 0 ? 0 : (100 * step.took) / whole}
            color="var(--accent)"
            aria-label={`${step.name}: share of the whole time`}
          />
        </li>
      ))}
    </Stack>
  );
}
