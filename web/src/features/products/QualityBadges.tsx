import { IconAlertTriangle, IconCircleCheck } from "@tabler/icons-react";
import type { ReactElement } from "react";

import type { Card } from "./queries";
import classes from "./QualityBadges.module.css";

/** Newest results by category of checks, in words, signs and colours. Nothing without checks. */
export function QualityBadges({ quality }: { quality: Card["quality"] }): ReactElement | null {
  const found = Object.entries(quality);
  if (found.length === 0) return null;
  return (
    <ul className={classes.badges} aria-label="Quality">
      {found.map(([name, badge]) => {
        const Icon = badge.ok ? IconCircleCheck : IconAlertTriangle;
        return (
          <li key={name} className={classes.badge} data-ok={badge.ok}>
            <Icon size={14} aria-hidden />
            {name} {badge.passed}/{badge.applied}
          </li>
        );
      })}
    </ul>
  );
}
