import { expect, it } from "vitest";

import { daysOf, since, usesOf } from "./analysis";
import type { Statement } from "./queries";

const made = (cluster: string, state: string, end?: number, created = "2026-03-01T12:00:00"): Statement =>
  ({ cluster, state, created, rows: 2, timings: end === undefined ? {} : { end } }) as Statement;

it("counts by cluster, the busiest first", () => {
  const all = [
    made("small", "finished", 1),
    ...[1, 2, 3, 40].map((end) => made("big", "finished", end)),
    made("big", "failed"),
    made("big", "cancelled"),
    made("big", "running"),
  ];
  expect(usesOf(all)).toEqual([
    { cluster: "big", total: 7, failed: 1, cancelled: 1, share: 7 / 8, median: 2, slow: 40, rows: 14 },
    { cluster: "small", total: 1, failed: 0, cancelled: 0, share: 1 / 8, median: 1, slow: 1, rows: 2 },
  ]);
  expect(usesOf([made("x", "failed")])[0]).toMatchObject({ median: null, slow: null });
  expect(usesOf([])).toEqual([]);
});

it("takes what is young enough", () => {
  const now = new Date("2026-03-08T12:00:00");
  expect(since([made("a", "failed"), made("b", "failed", 1, "2026-03-01T11:59:59")], 7, now)).toHaveLength(1);
});

it("counts by the reader's days, also those on which nothing was asked", () => {
  const now = new Date("2026-03-02T12:00:00");
  const all = [
    made("a", "finished", 1, "2026-03-02T00:00:00"),
    made("a", "failed", 1, "2026-03-01T23:59:59"),
    made("a", "running", 1, "2026-03-01T00:00:00"),
    made("a", "finished", 1, "2026-02-27T23:59:59"),
  ];
  expect(daysOf(all, 3, now)).toEqual({ days: ["28 Feb", "1 Mar", "2 Mar"], well: [0, 1, 1], failed: [0, 1, 0] });
});
