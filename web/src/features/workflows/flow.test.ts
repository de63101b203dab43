import { expect, it } from "vitest";

import { causeOf, flowOf, isOpen, nodeOf, wordOf, type Run } from "./flow";

const run = (more: Partial<Run>): Run =>
  ({ id: "r", state: "running", stopping: false, trigger: "tick", ...more }) as Run;

it("a runtime that tells little is a Workflow that never ran", () => {
  expect(flowOf({})).toEqual({
    title: "",
    jobs: [],
    run: null,
    nodes: [],
    runs: [],
    schedule: null,
    paused: null,
    trouble: "",
  });
});

it("says why a Workflow is in error, and nothing of one that is well", () => {
  const builder = { info: "no such depot" };
  expect(flowOf({ status: "error", builder }).trouble).toBe("no such depot");
  expect(flowOf({ status: "active", builder }).trouble).toBe("");
});

it("knows which runs go on, and which are being stopped", () => {
  expect([isOpen(run({})), isOpen(run({ state: "aborted" })), isOpen(null), isOpen(undefined)]).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(wordOf(run({ stopping: true }))).toBe("stopping");
});

it("says why a run began", () => {
  expect(causeOf(run({}))).toBe("by its schedule");
  expect(causeOf(run({ trigger: "other" }))).toBe("by other");
});

it("finds the node of a job, not that of a nested one", () => {
  const flow = flowOf({ nodes: [{ job: "outer/load" }, { job: "load" }] });
  expect(nodeOf(flow, "load")).toBe(flow.nodes[1]);
  expect(nodeOf(flow, "gone")).toBeUndefined();
});
