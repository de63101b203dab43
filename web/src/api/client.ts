import createClient, { type Middleware } from "openapi-fetch";

import type { paths } from "./schema";
import { sessionEnded } from "@/lib/session";
import { Failure, unreachable } from "./failure";

const failing: Middleware = {
  async onResponse({ response, schemaPath }) {
    if (response.ok) return undefined;
    const failure = await Failure.of(response);
    // at the login routes 401 is an answer like others: there is no session yet
    if (response.status === 401 && !schemaPath.startsWith("/api/v1/login")) sessionEnded();
    throw failure;
  },
  onError({ error }) {
    return error instanceof DOMException && error.name === "AbortError" ? error : unreachable();
  },
};

/** The server's API, typed from its own description. A call that fails throws a `Failure`. */
export const api = createClient<paths>({ baseUrl: "", credentials: "same-origin" });
api.use(failing);

/** The answer of a call that did not throw. */
export async function answer<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}
