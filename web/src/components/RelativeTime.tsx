import { Tooltip } from "@mantine/core";
import type { ReactElement } from "react";

import { useNow } from "@/lib/now";
import { exact, relative } from "@/lib/times";

/** A moment as "3 min ago", with date and time on demand; stays true while it is shown. */
export function RelativeTime({ at }: { at: string | null }): ReactElement {
  const now = useNow();
  const date = new Date(at ?? "");
  if (Number.isNaN(date.getTime())) return <span>–</span>;
  return (
    <Tooltip label={exact(date)}>
      <time dateTime={date.toISOString()}>{relative(date, now)}</time>
    </Tooltip>
  );
}
