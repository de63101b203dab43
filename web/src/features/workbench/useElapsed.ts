import { useEffect, useState } from "react";

const EVERY_MS = 200;

/** Milliseconds since something began, until it ended; anew while it goes on. */
export function useElapsed(began: number | null, ended: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  const going = began !== null && ended === null;
  useEffect(() => {
    if (!going) return undefined;
    const timer = window.setInterval(() => setNow(Date.now()), EVERY_MS);
    return () => window.clearInterval(timer);
  }, [going]);
  return began === null ? 0 : (ended ?? now) - began;
}
