import { expect, it } from "vitest";

import { nodesOf } from "./nodes";
import type { Runtime } from "./queries";

it("reads what a kind says of its nodes", () => {
  const runtime = { id: "r", runtime: "failed", nodes: [{ node: "a-execute", phase: "failed", reason: "no table" }] };
  expect(nodesOf(runtime as unknown as Runtime)).toEqual([
    { id: "a-execute-0", name: "a-execute", status: "failed", type: "", started: "", reason: "no table" },
  ]);
});

it("a runtime without nodes has none", () => {
  expect(nodesOf({ id: "r", runtime: "" })).toEqual([]);
});
