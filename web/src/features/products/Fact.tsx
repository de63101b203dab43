import { Tooltip } from "@mantine/core";
import type { IconCrown } from "@tabler/icons-react";
import type { ReactElement } from "react";

import classes from "./Fact.module.css";

interface Props {
  icon: typeof IconCrown;
  /** What kind of value it is, for those who do not know the sign: "Tier". */
  label: string;
  values: readonly string[];
}

/** Values of one kind in a line, cut where there is no room; nothing without values. */
export function Fact({ icon: Icon, label, values }: Props): ReactElement | null {
  if (values.length === 0) return null;
  const text = values.join(", ");
  return (
    <Tooltip label={`${label}: ${text}`}>
      <span className={classes.fact}>
        <Icon size={14} aria-hidden className={classes.icon} />
        <span className={classes.hidden}>{label}: </span>
        <span className={classes.text}>{text}</span>
      </span>
    </Tooltip>
  );
}
