import { expect, it } from "vitest";

import { queryOf, soughtOf } from "./seeking";

it("asks for what is in the address, and no more", () => {
  expect(queryOf(soughtOf({}))).toBe("");
  expect(soughtOf({ actor: "ida", decision: "refused" })).toMatchObject({ actor: "ida", allowed: false });
  expect(queryOf(soughtOf({ action: "grant.*", decision: "allowed" }))).toBe("action=grant.*&allowed=true");
});
it("takes days of the reader as a whole", () => {
  const { since, until } = soughtOf({ since: "2026-03-01", until: "2026-03-01" });
  expect(new Date(since ?? "").getTime()).toBe(new Date(2026, 2, 1).getTime());
  expect(new Date(until ?? "").getTime()).toBe(new Date(2026, 2, 2).getTime());
  expect(soughtOf({ since: "yesterday" }).since).toBeUndefined();
});
