import { isOpen, type Flow } from "./flow";
import type { Wish } from "./useVerb";

export interface Confirmation {
  title: string;
  text: string;
  action: string;
}

/** What to ask before something that loses work or time; null where nothing is lost. */
export function confirmationOf(wish: Wish, name: string, flow: Flow): Confirmation | null {
  switch (wish.verb) {
    case "stop":
      return {
        title: `Stop ${name}?`,
        text: "What its jobs do now is ended and not finished later. The run is aborted; the schedule goes on.",
        action: "Stop",
      };
    case "pause":
      return {
        title: `Pause ${name}?`,
        text: "No run begins until it is resumed, and jobs that have not begun wait. Ticks that pass meanwhile are not made up for. What runs now goes on.",
        action: "Pause",
      };
    case "run":
    case "re-run":
      return isOpen(flow.run) && flow.schedule?.concurrencyPolicy === "Replace"
        ? {
            title: `Run ${name} now?`,
            text: "A run goes on. Its concurrency policy is Replace: that run is stopped, then the new one begins.",
            action: "Stop it and run",
          }
        : null;
    case "resume":
      return null;
  }
}
