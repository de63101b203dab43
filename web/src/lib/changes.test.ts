import { expect, it } from "vitest";

import { keysOf, type Change } from "./changes";

const base: Change = {
  kind: "status",
  topics: ["resources"],
  id: "depot:v2:crm",
  type: "depot",
  name: "crm",
  workspace: null,
  run: null,
  at: "",
};

it("a change makes its Resource and the lists old, and nothing of other Resources", () => {
  expect(keysOf({ ...base, type: "workflow" })).toEqual([
    ["events"],
    ["resources"],
    ["resource", "workflow", "crm", null],
  ]);
});

it("what a Cluster shows is old when a Depot or a policy changes", () => {
  expect(keysOf(base)).toContainEqual(["catalog"]);
  expect(keysOf({ ...base, type: "policy", name: "p" })).toContainEqual(["catalog"]);
  expect(keysOf({ ...base, type: "workflow", name: "w" })).not.toContainEqual(["catalog"]);
});

it("a notice makes notices old", () => {
  expect(keysOf({ ...base, topics: ["runs", "notices"] })).toContainEqual(["notices"]);
});

it("a workspace makes workspaces old", () => {
  expect(keysOf({ ...base, kind: "workspace.created", type: null, name: null })).toEqual([
    ["events"],
    ["workspaces"],
    ["resources"],
  ]);
});

it("a policy or a Grant makes what governs old", () => {
  expect(keysOf({ ...base, type: "policy", name: "readers" })).toContainEqual(["policies"]);
  expect(keysOf({ ...base, type: "grant", name: "given" })).toContainEqual(["grants"]);
});

it("a product makes its page and the lists of products old, a policy what all of them show", () => {
  const product = keysOf({ ...base, type: "data", name: "orders" });
  expect(product).toContainEqual(["products"]);
  expect(product).toContainEqual(["product", "orders"]);
  expect(keysOf({ ...base, type: "policy", name: "mask" })).toContainEqual(["product"]);
});
