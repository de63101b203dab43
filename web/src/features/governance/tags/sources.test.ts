import { expect, it } from "vitest";

import type { Lineage } from "./queries";
import { saidBy, upstreamOf } from "./sources";

it.each([
  ["user:ida", "user ida"],
  ["job:public:load.customers", "job load.customers"],
  ["inherited", "inherited from what it is made of"],
  ["suggested", "suggested by a profile, and accepted"],
  ["other", "other"],
])("%s is said by %s", (source, words) => expect(saidBy(source)).toBe(words));

it("names columns one step up", () => {
  const nodes = [
    { address: "dataos://a:b/c", up: 0, columns: ["email"] },
    { address: "dataos://a:b/raw", up: 1, columns: ["mail", "name"] },
    { address: "dataos://a:b/file", up: 1, columns: [] },
  ];
  expect(upstreamOf({ nodes } as unknown as Lineage)).toEqual([
    "dataos://a:b/raw#mail",
    "dataos://a:b/raw#name",
    "dataos://a:b/file",
  ]);
});
