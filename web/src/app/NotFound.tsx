import { IconMapOff } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { Link } from "@/components/Link";

/** An address that no screen has. */
export function NotFound(): ReactElement {
  return (
    <EmptyState icon={<IconMapOff />} title="There is no such page" action={<Link to="/">Go to the start page</Link>}>
      The address may be old, or mistyped.
    </EmptyState>
  );
}
