import { expect, it } from "vitest";

import type { components } from "@/api/schema";
import { endOf, merged } from "./lineage";

type Lineage = components["schemas"]["Lineage"];

const node = (address: string, title = "") => ({ address, title, writtenAt: null, restricted: false });
const edge = (from: string, to: string | null, workflow: string | null, name: string) => ({
  from,
  to,
  job: { workspace: "public", workflow, job: workflow === null ? null : name, name },
});
const step = (nodes: object[], edges: object[]): Lineage => ({ nodes, edges }) as unknown as Lineage;

it("steps that overlap make one picture", () => {
  const first = step([node("a"), node("b", "The b")], [edge("a", "b", "load", "one")]);
  const second = step(
    [node("b", "The b"), node("c")],
    [edge("a", "b", "load", "one"), edge("b", "c", null, "spark.x")],
  );
  const found = merged([first, second]);
  expect(found.nodes.map(({ address, title }) => `${address}: ${title}`)).toEqual(["a: a", "b: The b", "c: c"]);
  expect(found.ways).toEqual([
    { from: "a", to: "b", jobs: ["public/load/one"] },
    { from: "b", to: "c", jobs: ["spark.x"] },
  ]);
});

it("a way that two jobs go is one, with both", () => {
  const found = merged([step([node("a"), node("b")], [edge("a", "b", "w", "one"), edge("a", "b", "w", "two")])]);
  expect(found.ways[0]?.jobs).toEqual(["public/w/one", "public/w/two"]);
});

it("what leads nowhere, or to what is not told, is not drawn", () => {
  const found = merged([step([node("a")], [edge("a", null, "w", "reads"), edge("a", "hidden", "w", "x")])]);
  expect(found.ways).toEqual([]);
});

it("what policies hide is never taken for what is hidden elsewhere", () => {
  const hidden = { ...node("restricted dataset 1"), restricted: true };
  const around = (address: string) => ({
    ...step([node(address), hidden], [edge(hidden.address, address, "w", "x")]),
    address,
  });
  const found = merged([around("a"), around("b")]);
  expect(found.nodes.map(({ address }) => address)).toEqual([
    "a",
    "restricted dataset 1 near a",
    "b",
    "restricted dataset 1 near b",
  ]);
  expect(found.ways.map(({ from, to }) => `${from} > ${to}`)).toEqual([
    "restricted dataset 1 near a > a",
    "restricted dataset 1 near b > b",
  ]);
  expect(found.nodes.map(({ restricted }) => restricted)).toEqual([false, true, false, true]);
});

it("datasets are told apart by the end of their address", () => {
  expect(endOf("dataos://lake:retail/orders")).toBe("retail/orders");
  expect(endOf("s3://bucket/x")).toBe("s3://bucket/x");
});
