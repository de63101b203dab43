import { expect, it } from "vitest";

import type { Statement } from "./queries";
import { chosenOf, isUnderWay, lineOf, secondsOf, stepsOf } from "./statements";

const now = new Date("2026-03-01T12:01:00Z");
const made = (more: Partial<Statement>): Statement =>
  ({
    id: "1",
    user: "ida",
    state: "finished",
    cluster: "miniature",
    sql: "SELECT 1",
    created: "2026-03-01T12:00:00Z",
    finished: "2026-03-01T12:00:02Z",
    timings: {},
    ...more,
  }) as Statement;

it("knows what is under way and for how long", () => {
  expect(["queued", "running", "finished", "failed", "cancelled"].map((state) => isUnderWay({ state }))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(secondsOf(made({ state: "running", finished: null }), now)).toBe(60);
  expect(secondsOf(made({}), now)).toBe(2);
  expect(secondsOf(made({ timings: { started: 0.5, end: 1.9 } }), now)).toBe(1.9);
});

it("says how long each step took by itself", () => {
  expect(stepsOf({ end: 2, admitted: 0.5, started: 1.25, planned: 0.75 })).toEqual([
    { name: "Waited for its turn", at: 0.5, took: 0.5 },
    { name: "Checked and planned", at: 0.75, took: 0.25 },
    { name: "Run until its first rows", at: 1.25, took: 0.5 },
    { name: "Rows sent", at: 2, took: 0.75 },
  ]);
  expect(stepsOf({ other: 1 })).toEqual([{ name: "other", at: 1, took: 1 }]);
});

it("writes a statement in one line", () => expect(lineOf(" SELECT 1,\n\t2 ")).toBe("SELECT 1, 2"));

it("filters by text, time, state and user together", () => {
  const all = [
    made({ id: "a" }),
    made({ id: "b", user: "bo", state: "running", finished: null, sql: "select x FROM Orders" }),
    made({ id: "c", state: "failed" }),
  ];
  const ids = (search: Parameters<typeof chosenOf>[1]): string[] => chosenOf(all, search, now).map((s) => s.id);
  expect(ids({})).toEqual(["a", "b", "c"]);
  expect(ids({ q: "orders" })).toEqual(["b"]);
  expect(ids({ q: "c" })).toEqual(["a", "b", "c"]);
  expect(ids({ longer: 10 })).toEqual(["b"]);
  expect(ids({ state: ["failed", "finished"], user: ["ida"] })).toEqual(["a", "c"]);
});
