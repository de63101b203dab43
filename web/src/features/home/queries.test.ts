import { expect, it } from "vitest";

import type { Summary } from "@/features/resources/queries";
import { troubled } from "./queries";

const made = (name: string, status: string, runtime: string): Summary => ({ name, status, runtime }) as Summary;

it("what failed needs a look, and so does what ran and failed", () => {
  const all = [
    made("a", "active", "succeeded"),
    made("b", "error", ""),
    made("c", "active", "failed"),
    made("d", "pending", ""),
  ];
  expect(troubled(all).map((r) => r.name)).toEqual(["b", "c"]);
});
