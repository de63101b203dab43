import { useSyncExternalStore } from "react";

import { onSession } from "@/lib/session";
import { emptyState, restored, savedOf, type State } from "./state";

const SAVE_AFTER_MS = 300;

/**
 * What somebody works on. It stands outside of the page, so that statements go on while another page is looked at; its
 * texts (never results) are kept for this tab of the browser.
 */
export class Desk {
  /** Undo histories of editors, as CodeMirror writes them, by tab. */
  readonly editors = new Map<number, unknown>();
  /** How runs of tabs are stopped. */
  readonly stops = new Map<number, AbortController>();
  readonly #listeners = new Set<() => void>();
  readonly #key: string;
  #state: State;
  #timer: number | undefined;

  constructor(readonly user: string) {
    this.#key = `workbench:${user}`;
    this.#state = read(this.#key);
  }

  readonly get = (): State => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  change(step: (state: State) => State): void {
    this.#state = step(this.#state);
    this.#listeners.forEach((tell) => tell());
    if (this.#timer !== undefined) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = undefined;
      write(this.#key, this.#state);
    }, SAVE_AFTER_MS);
  }

  /** Nobody looks at it any more. */
  close(): void {
    this.stops.forEach((stop) => stop.abort());
    this.#listeners.clear();
  }
}

function read(key: string): State {
  try {
    return restored(JSON.parse(window.sessionStorage.getItem(key) ?? "null"));
  } catch {
    return emptyState();
  }
}

function write(key: string, state: State): void {
  try {
    window.sessionStorage.setItem(key, JSON.stringify(savedOf(state)));
  } catch {
    // the browser keeps no more (or nothing): the texts last as long as the page
  }
}

let current: Desk | null = null;

// results were the former user's
onSession((news) => {
  if (news !== "ended") return;
  current?.close();
  current = null;
});

export function deskOf(user: string): Desk {
  if (current?.user !== user) {
    current?.close();
    current = new Desk(user);
  }
  return current;
}

export const useDesk = (desk: Desk): State => useSyncExternalStore(desk.subscribe, desk.get);
