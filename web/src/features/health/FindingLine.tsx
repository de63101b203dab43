import type { ReactElement } from "react";

import { StatusBadge } from "@/components/StatusBadge";
import classes from "./Findings.module.css";
import type { Finding } from "./queries";

/** One check: how it is, what was found, what mends it. */
export function FindingLine({ finding }: { finding: Finding }): ReactElement {
  return (
    <li className={classes.finding}>
      <span>
        <StatusBadge state={finding.state} />
      </span>
      <span className={classes.name}>{finding.name}</span>
      <div className={classes.words}>
        <p>{finding.detail}</p>
        {finding.mend !== "" && (
          <p className={classes.mend}>
            What mends it: <code>{finding.mend}</code>
          </p>
        )}
      </div>
    </li>
  );
}
