import { Tooltip, UnstyledButton } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { spotlight } from "@mantine/spotlight";
import { IconLogout, IconSearch } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { useMe } from "./me";
import classes from "./Rail.module.css";
import { SECTIONS, type Section } from "./sections";
import { ThemeSwitch } from "./ThemeSwitch";
import { useSignOut } from "./useSignOut";

/** The left rail: sections that the reader may open, then what concerns himself. */
export function Rail(): ReactElement {
  const me = useMe();
  const signOut = useSignOut();
  const shown = SECTIONS.filter((section) => section.open?.(me) ?? true);
  return (
    <nav className={classes.rail} aria-label="Sections">
      <Link to="/" className={classes.logo} aria-label="DataOS, home">
        <img src="/favicon.svg" alt="" width={32} height={32} />
      </Link>
      <Item label="Search and jump" keys="Ctrl K">
        <UnstyledButton className={classes.entry} aria-label="Search and jump" onClick={() => spotlight.open()}>
          <IconSearch size={22} stroke={1.7} aria-hidden />
        </UnstyledButton>
      </Item>
      {shown.filter((s) => s.last !== true).map(entry)}
      <span className={classes.space} />
      {shown.filter((s) => s.last === true).map(entry)}
      <ThemeSwitch className={classes.entry ?? ""} />
      <Item label={`Sign out ${me.user.name}`}>
        <UnstyledButton className={classes.entry} aria-label="Sign out" onClick={() => signOut.mutate()}>
          <IconLogout size={22} stroke={1.7} aria-hidden />
        </UnstyledButton>
      </Item>
    </nav>
  );
}

function entry(section: Section): ReactElement {
  return (
    <Item key={section.to} label={section.label} keys={`g ${section.key}`}>
      <Link
        to={section.to}
        className={classes.entry}
        activeOptions={{ exact: section.to === "/" }}
        activeProps={{ "aria-current": "page" }}
        aria-label={section.label}
      >
        <section.icon size={22} stroke={1.7} aria-hidden />
        <span className={classes.label}>{section.label}</span>
      </Link>
    </Item>
  );
}

function Item({ label, keys, children }: { label: string; keys?: string; children: ReactElement }): ReactElement {
  const narrow = useMediaQuery("(max-width: 720px)");
  const text = keys === undefined ? label : `${label} (${keys})`;
  return (
    <Tooltip label={text} position={narrow ? "bottom" : "right"}>
      {children}
    </Tooltip>
  );
}
