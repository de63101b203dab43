import { describe, expect, it } from "vitest";

import { Failure, problemsOf, readProblems } from "./failure";

describe("failures", () => {
  it("keeps all problems of the server's body, in order", async () => {
    const body = {
      errors: [
        { code: "manifest.syntax", message: "a", line: 3 },
        { code: "x.y", message: "b" },
      ],
    };
    const failure = await Failure.of(new Response(JSON.stringify(body), { status: 422 }));
    expect(failure.problems.map((p) => p.code)).toEqual(["manifest.syntax", "x.y"]);
    expect(failure.code).toBe("manifest.syntax");
    expect(failure.status).toBe(422);
  });

  it("says so when an answer is no server of ours", async () => {
    const failure = await Failure.of(new Response("<h1>Bad gateway</h1>", { status: 502 }));
    expect(failure.code).toBe("server.unreachable");
    expect(failure.message).toContain("502");
  });

  it.each(["", "null", "[]", '{"errors": "no"}', '{"errors": [{}]}'])("finds nothing in %j", (text) => {
    expect(readProblems(text)).toEqual([]);
  });

  it("shows what was thrown by this page itself", () => {
    expect(problemsOf(new TypeError("x is undefined"))[0]?.message).toContain("x is undefined");
  });
});
