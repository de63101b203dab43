import { IconAlertTriangle, IconCircleCheck, IconCircleDashed, IconCircleX, IconLoader } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { toneOf, type Tone } from "@/lib/statuses";
import classes from "./StatusBadge.module.css";

const ICONS: Record<Tone, typeof IconCircleCheck> = {
  good: IconCircleCheck,
  bad: IconCircleX,
  busy: IconLoader,
  warn: IconAlertTriangle,
  still: IconCircleDashed,
};

/** A state by word, colour and sign: never by colour alone. Shows nothing for an empty one. */
export function StatusBadge({ state }: { state: string }): ReactElement | null {
  if (state === "") return null;
  const tone = toneOf(state);
  const Icon = ICONS[tone];
  return (
    <span className={classes.badge} data-tone={tone}>
      <Icon size={14} stroke={2} aria-hidden />
      {state}
    </span>
  );
}
