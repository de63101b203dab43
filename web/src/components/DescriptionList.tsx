import { Fragment, type ReactElement, type ReactNode } from "react";

import classes from "./DescriptionList.module.css";

const NOTHING: readonly ReactNode[] = [null, undefined, false, ""];

/** Names and values of one thing. What has no value (null, undefined, false, "") is shown as a dash. */
export function DescriptionList({ items }: { items: readonly (readonly [string, ReactNode])[] }): ReactElement {
  return (
    <dl className={classes.list}>
      {items.map(([name, value]) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd>{NOTHING.includes(value) ? "–" : value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}
