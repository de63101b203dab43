/** Whether this browser is signed in, for all its tabs: the session is the server's cookie, which no script can read. */

export type SessionNews = "signed-in" | "ended";

const channel = new BroadcastChannel("dataos-session");
const listeners = new Set<(news: SessionNews) => void>();

channel.onmessage = (event: MessageEvent<SessionNews>) => listeners.forEach((listener) => listener(event.data));

/** Hear of it, from this tab and from others. Returns how to stop. */
export function onSession(listener: (news: SessionNews) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(news: SessionNews): void {
  channel.postMessage(news);
  listeners.forEach((listener) => listener(news));
}

/** The server said that there is no session (any more), or it was ended here. */
export const sessionEnded = (): void => tell("ended");

export const signedIn = (): void => tell("signed-in");
