import type { QueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { sessionEnded } from "./session";
import { keysOf, type Change } from "./changes";

const LOCK = "dataos-live";
const TOGETHER_MS = 250;

type Message = { event: "change"; change: Change } | { event: "gap" };

/**
 * Queries hear what changed on the server: those that a change is about are read again.
 *
 * One tab of a browser holds the stream and tells the others, since browsers open few connections to one server. Where
 * the browser has no locks (plain http to another machine) each tab has its own.
 */
export function useLive(client: QueryClient, active: boolean): void {
  useEffect(() => {
    if (!active) return undefined;
    const stop = new AbortController();
    const others = new BroadcastChannel(LOCK);
    const due = new Map<string, readonly unknown[]>();
    let timer: number | undefined;

    const flush = (): void => {
      timer = undefined;
      for (const queryKey of due.values()) void client.invalidateQueries({ queryKey });
      due.clear();
    };
    const hear = (message: Message): void => {
      const keys = message.event === "gap" ? [[]] : keysOf(message.change);
      for (const key of keys) due.set(JSON.stringify(key), key);
      timer ??= window.setTimeout(flush, TOGETHER_MS);
    };
    others.onmessage = (event: MessageEvent<Message>) => hear(event.data);
    const tell = (message: Message): void => {
      others.postMessage(message);
      hear(message);
    };
    const held = (): Promise<void> => listen(tell, stop.signal);
    if ("locks" in navigator) {
      navigator.locks.request(LOCK, { signal: stop.signal }, held).catch(() => undefined); // stopped while it waited
    } else {
      void held();
    }
    return () => {
      stop.abort();
      others.close();
      window.clearTimeout(timer);
    };
  }, [client, active]);
}

/** Until it is stopped or the session ends. The browser itself connects again, from where it was. */
function listen(tell: (message: Message) => void, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const source = new EventSource("/api/v1/stream");
    const close = (): void => {
      source.close();
      done();
    };
    signal.addEventListener("abort", close);
    source.addEventListener("change", (event) => {
      tell({ event: "change", change: JSON.parse(event.data as string) as Change });
    });
    source.addEventListener("gap", () => tell({ event: "gap" }));
    source.addEventListener("end", () => {
      close();
      sessionEnded();
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) window.setTimeout(close, 5_000); // refused: whoever waits is next
    });
  });
}
