import { Text } from "@mantine/core";
import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import { reasonOf } from "@/features/resources/columns";
import type { Summary } from "@/features/resources/queries";
import { whereOf } from "@/features/resources/where";
import classes from "./ResourceLines.module.css";

/** A few Resources, one below the other. `reasons`: with why each is not well. */
export function ResourceLines({
  resources,
  reasons = false,
}: {
  resources: readonly Summary[];
  reasons?: boolean;
}): ReactElement {
  return (
    <ul className={classes.lines}>
      {resources.map((resource) => (
        <li key={resource.uid} className={classes.line}>
          <div className={classes.words}>
            <Link to="/operations/resources/$type/$name" {...whereOf(resource)} fw={550}>
              {resource.name}
            </Link>
            <Text span size="sm" c="dimmed">
              {" "}
              {resource.type}
              {resource.workspace !== null && ` in ${resource.workspace}`} · <RelativeTime at={resource.updated} />
            </Text>
            {reasons && reasonOf(resource) !== "" && (
              <Text size="sm" lineClamp={2}>
                {reasonOf(resource)}
              </Text>
            )}
          </div>
          <StatusBadge
            state={resource.status === "active" && resource.runtime !== "" ? resource.runtime : resource.status}
          />
        </li>
      ))}
    </ul>
  );
}
