import { NavLink } from "@mantine/core";
import type { ReactElement, ReactNode } from "react";

import classes from "./ListAndDetail.module.css";

interface Item {
  id: string;
  title: string;
  note?: ReactNode;
}

interface Props {
  label: string;
  items: readonly Item[];
  chosen: string;
  onChoose: (id: string) => void;
  children: ReactNode;
}

/** A few things at the left, the chosen one at the right; one below the other where there is no room. */
export function ListAndDetail({ label, items, chosen, onChoose, children }: Props): ReactElement {
  return (
    <div className={classes.frame}>
      <nav aria-label={label} className={classes.list}>
        {items.map(({ id, title, note }) => (
          <NavLink
            key={id}
            component="button"
            active={id === chosen}
            aria-current={id === chosen ? "true" : undefined}
            label={title}
            description={note}
            className={classes.entry}
            onClick={() => onChoose(id)}
          />
        ))}
      </nav>
      <div className={classes.detail}>{children}</div>
    </div>
  );
}
