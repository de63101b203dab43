import { expect, it } from "vitest";

import type { Happening } from "@/features/resources/queries";
import { aboutOf, chosenOf, joined, runOf } from "./happenings";

const now = new Date("2026-03-01T12:00:00Z");
const made = (more: Partial<Happening>): Happening => ({
  seq: 1,
  at: "2026-03-01T11:59:00Z",
  kind: "created",
  actor: "ida",
  uid: "u",
  id: "workflow:v1:load:public",
  data: {},
  ...more,
});

it("knows what an event is about", () => {
  expect(aboutOf(made({}))).toEqual({ type: "workflow", name: "load", workspace: "public" });
  expect(aboutOf(made({ id: "depot:v2:crm" }))).toEqual({ type: "depot", name: "crm", workspace: null });
  expect(aboutOf(made({ id: null }))).toBeNull();
  expect(aboutOf(made({ id: "sandbox" }))).toBeNull();
  expect(runOf(made({ data: { run: "r1" } }))).toBe("r1");
  expect(runOf(made({ data: { run: 1 } }))).toBeNull();
});

it("puts what came before what was seen, and forgets the oldest", () => {
  const first = joined(undefined, [made({ seq: 1 }), made({ seq: 2 })], 2, 3);
  expect(first.items.map((item) => item.seq)).toEqual([2, 1]);
  const second = joined(first, [made({ seq: 3 }), made({ seq: 5 })], 6, 3);
  expect(second.items.map((item) => item.seq)).toEqual([5, 3, 2]);
  expect(second.next).toBe(6);
});

it("filters by text, kind, user and time together", () => {
  const all = [
    made({ seq: 1 }),
    made({ seq: 2, kind: "run.failed", data: { reason: "job x failed" }, actor: "control" }),
    made({ seq: 3, kind: "status", data: { status: "active" }, id: "depot:v2:crm", at: "2026-02-01T00:00:00Z" }),
  ];
  const seqs = (search: Parameters<typeof chosenOf>[1]): number[] => chosenOf(all, search, now).map((e) => e.seq);
  expect(seqs({})).toEqual([1, 2, 3]);
  expect(seqs({ q: "JOB X" })).toEqual([2]);
  expect(seqs({ q: "crm" })).toEqual([3]);
  expect(seqs({ within: 1 })).toEqual([1, 2]);
  expect(seqs({ within: 1, by: ["ida"] })).toEqual([1]);
  expect(seqs({ kind: ["status", "run.failed"], type: ["workflow"] })).toEqual([2]);
});
