import type { ReactElement, ReactNode } from "react";

import classes from "./Banner.module.css";

interface Props {
  tone: "good" | "bad";
  icon: ReactNode;
  title: string;
  children: ReactNode;
}

/** A verdict at the head of what explains it: by words, sign and colour. Read out when it comes. */
export function Banner({ tone, icon, title, children }: Props): ReactElement {
  return (
    <div className={classes.banner} data-tone={tone} role={tone === "bad" ? "alert" : "status"}>
      <span className={classes.icon} aria-hidden>
        {icon}
      </span>
      <div className={classes.words}>
        <p className={classes.title}>{title}</p>
        {children}
      </div>
    </div>
  );
}
