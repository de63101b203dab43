import { Text } from "@mantine/core";
import type { ReactElement } from "react";

import { Surface } from "@/components/Surface";
import classes from "./Figure.module.css";

/** A number with what it counts. */
export function Figure({ label, value, note }: { label: string; value: string; note: string }): ReactElement {
  return (
    <Surface>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text className={classes.value}>{value}</Text>
      <Text size="sm" c="dimmed">
        {note}
      </Text>
    </Surface>
  );
}
