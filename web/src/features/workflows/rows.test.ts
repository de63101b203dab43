import { expect, it } from "vitest";

import type { Summary } from "@/features/resources/queries";
import { flowOf } from "./flow";
import { chosenOf, lastWordOf, nextOf, scheduleOf, stateOf, type WorkflowRow } from "./rows";

const summary = (more: Partial<Summary>): Summary =>
  ({ name: "load", workspace: "public", owner: "ida", status: "active", runtime: "", ...more }) as Summary;
const row = (more: Partial<Summary>, told?: object): WorkflowRow => ({
  summary: summary(more),
  flow: told === undefined ? undefined : flowOf(told),
});
const failed = { id: "r", state: "failed", stopping: false };
const schedule = { cron: "0 2 * * *", timezone: "UTC", next: null };
const tick = "2030-01-01T02:15:00+00:00";

it.each([
  [{ status: "error", runtime: "failed" }, "error"],
  [{ runtime: `next:${tick}` }, "scheduled"],
  [{ runtime: "paused" }, "paused"],
  [{ runtime: "" }, "idle"],
])("%j is %s", (told, wanted) => {
  expect(stateOf(summary(told))).toBe(wanted);
});

it("knows the next tick from the runtime, and while a run goes on from the schedule", () => {
  expect(nextOf(row({ runtime: `next:${tick}` }))).toBe(tick);
  expect(nextOf(row({ runtime: "running" }, { schedule: { ...schedule, next: tick } }))).toBe(tick);
  expect(nextOf(row({ runtime: "paused" }, { schedule }))).toBeNull();
  expect(nextOf(row({ runtime: "succeeded" }, {}))).toBeNull();
});

it("says how the last run ended, and nothing before it was read", () => {
  expect(lastWordOf(row({}, { runs: [failed] }))).toBe("failed");
  expect(lastWordOf(row({}, { runs: [{ ...failed, state: "running", stopping: true }] }))).toBe("stopping");
  expect(lastWordOf(row({}, {}))).toBe("never ran");
  expect(lastWordOf(row({}))).toBe("");
});

it("says when it runs", () => {
  expect(scheduleOf(row({}, { schedule }))).toBe("0 2 * * * UTC");
  expect(scheduleOf(row({}, {}))).toBe("once");
});

it("filters by name, state and last run together", () => {
  const rows = [
    row({ name: "a-load", runtime: "failed" }, { runs: [failed] }),
    row({ name: "b-load", runtime: `next:${tick}` }, { runs: [failed], schedule }),
    row({ name: "c", runtime: "running" }),
  ];
  const names = (search: Parameters<typeof chosenOf>[1]): string[] => chosenOf(rows, search).map((r) => r.summary.name);
  expect(names({})).toEqual(["a-load", "b-load", "c"]);
  expect(names({ q: "LOAD", last: ["failed"] })).toEqual(["a-load", "b-load"]);
  expect(names({ last: ["failed"], state: ["scheduled", "running"] })).toEqual(["b-load"]);
});
