import type { ReactElement, ReactNode } from "react";

import classes from "./Surface.module.css";

/** A card on the page. `label` names it as a region. */
export function Surface({ children, label }: { children: ReactNode; label?: string }): ReactElement {
  if (label === undefined) return <div className={classes.surface}>{children}</div>;
  return (
    <section className={classes.surface} aria-label={label}>
      {children}
    </section>
  );
}
