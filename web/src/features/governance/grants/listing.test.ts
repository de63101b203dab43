import { expect, it } from "vitest";

import type { Grant } from "../shared/queries";
import { endOf } from "./lasting";
import { chosenOf, grantsOf } from "./listing";

const grant = (id: string, more: Partial<Grant>): Grant =>
  ({
    id,
    state: "approved",
    policy_use_case_id: "read-audit",
    subjects: ["roles:id:operator"],
    requester: "dataos",
    creator: "dataos",
    notes: "",
    ...more,
  }) as Grant;
const all = [
  grant("shipped", {}),
  grant("asked", { state: "requested", requester: "ida", notes: "compare delays" }),
  grant("given", { subjects: ["users:id:ida"] }),
  grant("refused", { state: "rejected", creator: "ida" }),
];
const ids = (found: Grant[]): string[] => found.map((one) => one.id);

it("sorts by state, and finds the reader's own", () => {
  expect(ids(grantsOf(all, "requested", "ida"))).toEqual(["asked"]);
  expect(ids(grantsOf(all, "approved", "ida"))).toEqual(["shipped", "given"]);
  expect(ids(grantsOf(all, "mine", "ida"))).toEqual(["asked", "given", "refused"]);
});
it("searches what a grant says", () => expect(ids(chosenOf(all, "DELAYS"))).toEqual(["asked"]));
it("ends so many hours from now, or never", () => {
  const now = new Date("2026-03-01T12:00:00Z");
  expect(endOf("24", now)).toBe("2026-03-02T12:00:00.000Z");
  expect(["", "0", "x"].map((hours) => endOf(hours, now))).toEqual([null, null, null]);
});
