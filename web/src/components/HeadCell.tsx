import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import type { ReactElement } from "react";

import classes from "./DataTable.module.css";

interface Props {
  text: string;
  sorted: false | "asc" | "desc";
  onSort: () => void;
}

/** A column's header: sorts by it, says how it is sorted. */
export function HeadCell({ text, sorted, onSort }: Props): ReactElement {
  const order = { asc: "ascending", desc: "descending" } as const;
  return (
    <div role="columnheader" aria-sort={sorted === false ? "none" : order[sorted]} className={classes.cell}>
      <button type="button" className={classes.sort} onClick={onSort}>
        {text}
        {sorted === "asc" && <IconArrowUp size={14} aria-hidden />}
        {sorted === "desc" && <IconArrowDown size={14} aria-hidden />}
      </button>
    </div>
  );
}
