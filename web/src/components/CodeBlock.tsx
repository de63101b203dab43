import type { ReactElement } from "react";

import { CopyButton } from "./CopyButton";
import classes from "./CodeBlock.module.css";

interface Props {
  code: string;
  /** What it is, for those who do not see it: "Manifest of crm". */
  label: string;
}

/** A text to read and take along. */
export function CodeBlock({ code, label }: Props): ReactElement {
  return (
    <div className={classes.block}>
      <div className={classes.copy}>
        <CopyButton value={code} label={`Copy ${label}`} />
      </div>
      {/* a region that scrolls must be reachable by keyboard */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre className={classes.code} tabIndex={0} aria-label={label} role="region">
        <code>{code}</code>
      </pre>
    </div>
  );
}
