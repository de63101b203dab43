import { useEffect, useState, type ReactElement } from "react";

import { duration, secondsFrom } from "@/lib/durations";

interface Props {
  of: { started: string | null; finished: string | null };
}

/** How long something took; of what goes on, how long it goes on for, anew every second. */
export function Lasted({ of }: Props): ReactElement {
  const [now, setNow] = useState(() => new Date());
  const goesOn = of.started !== null && of.finished === null;
  useEffect(() => {
    if (!goesOn) return undefined;
    const timer = window.setInterval(() => setNow(new Date()), 1000);
    return () => window.clearInterval(timer);
  }, [goesOn]);
  const seconds = secondsFrom(of.started, of.finished, now);
  return <span>{seconds === null ? "–" : duration(seconds)}</span>;
}
