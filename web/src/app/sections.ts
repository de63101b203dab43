import {
  IconHome,
  IconPackages,
  IconServerCog,
  IconShieldLock,
  IconTerminal2,
  IconUserCircle,
} from "@tabler/icons-react";
import type { LinkProps } from "@tanstack/react-router";

import type { Me } from "./me";

export interface Section {
  label: string;
  icon: typeof IconHome;
  to: NonNullable<LinkProps["to"]>;
  /** The key after `g` that leads there. */
  key: string;
  /** What it is for, in a line: for the tile on Home. */
  about: string;
  /** Other words under which the palette finds it. */
  keywords: string;
  /** Stands at the foot of the rail. */
  last?: boolean;
  /** Who may open it; everybody if left out. */
  open?: (me: Me) => boolean;
}

/** The rail, top down. A section stands here when it has screens: Home, Data Products, Workbench, Operations,
 * Governance, Profile is the order. */
export const SECTIONS: readonly Section[] = [
  { label: "Home", icon: IconHome, to: "/", key: "h", about: "", keywords: "start overview" },
  {
    label: "Data Products",
    icon: IconPackages,
    to: "/products",
    key: "d",
    about: "Find data that somebody answers for; look at it, ask for it, take it along",
    keywords: "hub products datasets access quality lineage",
  },
  {
    label: "Workbench",
    icon: IconTerminal2,
    to: "/workbench",
    key: "w",
    about: "Write SQL over all that is connected; results, charts, files, saved statements",
    keywords: "sql query editor statements tables results history benches",
  },
  {
    label: "Operations",
    icon: IconServerCog,
    to: "/operations",
    key: "o",
    about: "Resources, runs of Workflows, statements, events and the health of the server",
    keywords: "resources status depots workflows clusters secrets runs logs queries events health apply",
  },
  {
    label: "Governance",
    icon: IconShieldLock,
    to: "/governance",
    key: "v",
    about: "Users and roles, grants, policies and what they do, the audit",
    keywords: "users roles tags grants requests policies masks filters explain simulate coverage audit use cases",
  },
  {
    label: "Profile",
    icon: IconUserCircle,
    to: "/profile",
    key: "p",
    about: "Who you are here, what you may do, your API keys",
    keywords: "me tokens api keys account password",
    last: true,
  },
];
