import { Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { useMe } from "@/app/me";
import { SECTIONS } from "@/app/sections";
import classes from "./Tiles.module.css";

/** The sections that the reader may open, with what each is for. */
export function Tiles(): ReactElement {
  const me = useMe();
  const shown = SECTIONS.filter((s) => s.to !== "/" && (s.open?.(me) ?? true));
  return (
    <ul className={classes.tiles}>
      {shown.map((section) => (
        <li key={section.to}>
          <Link to={section.to} className={classes.tile}>
            <span className={classes.icon}>
              <section.icon size={24} aria-hidden />
            </span>
            <span>
              <span className={classes.name}>{section.label}</span>
              <Text span display="block" c="dimmed" size="sm">
                {section.about}
              </Text>
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
