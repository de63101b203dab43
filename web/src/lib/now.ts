import { useSyncExternalStore } from "react";

const EVERY_MS = 15_000;
let now = new Date();
const listeners = new Set<() => void>();
let timer: number | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= window.setInterval(() => {
    now = new Date();
    listeners.forEach((tell) => tell());
  }, EVERY_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    window.clearInterval(timer);
    timer = undefined;
  };
}

/** The time, anew every quarter of a minute: one clock for all that shows it. */
export function useNow(): Date {
  return useSyncExternalStore(subscribe, () => now);
}
