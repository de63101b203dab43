import { Link, type LinkProps } from "@tanstack/react-router";
import type { ReactElement } from "react";

import classes from "./AreaNav.module.css";

export interface AreaPage {
  label: string;
  to: NonNullable<LinkProps["to"]>;
}

/** The second row of navigation: pages of one area. The router marks the one that is open (`aria-current`). */
export function AreaNav({ label, pages }: { label: string; pages: readonly AreaPage[] }): ReactElement {
  return (
    <nav aria-label={label} className={classes.nav}>
      {pages.map((page) => (
        <Link key={page.to} to={page.to} className={classes.page}>
          {page.label}
        </Link>
      ))}
    </nav>
  );
}
