import type { components } from "./schema";

export type Problem = components["schemas"]["Fault"];

/** A failed call: the server's Problems, all of them. */
export class Failure extends Error {
  constructor(
    readonly problems: Problem[],
    readonly status: number,
  ) {
    super(problems.map((p) => p.message).join("; "));
    this.name = "Failure";
  }

  /** The first problem's code: it decided the status. */
  get code(): string {
    return this.problems[0]?.code ?? "unknown";
  }

  /** What an answer that is no success says; also one that no server of ours wrote (a proxy's). */
  static async of(response: Response): Promise<Failure> {
    const problems = readProblems(await response.text());
    return new Failure(problems.length > 0 ? problems : [foreign(response.status)], response.status);
  }
}

/** The Problems of an error body; none if it is no such body. */
export function readProblems(text: string): Problem[] {
  try {
    const body = JSON.parse(text) as { errors?: unknown } | null;
    return Array.isArray(body?.errors) ? (body.errors as Problem[]).filter((p) => typeof p.message === "string") : [];
  } catch {
    return [];
  }
}

/** Whatever was thrown, as Problems that can be shown. */
export function problemsOf(error: unknown): Problem[] {
  if (error instanceof Failure) return error.problems;
  const message = error instanceof Error ? error.message : String(error);
  return [{ code: "web.internal", message: `this page failed: ${message}`, hint: "load it again" }];
}

export function unreachable(): Failure {
  const hint = "is it running (dataos health)? This page goes on by itself when it answers again";
  return new Failure([{ code: "server.unreachable", message: "the server does not answer", hint }], 0);
}

function foreign(status: number): Problem {
  const message = `the answer has status ${status} and is not this server's`;
  return { code: "server.unreachable", message, hint: "a proxy in between may have answered" };
}
