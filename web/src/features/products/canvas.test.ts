import { expect, it } from "vitest";

import { canvasOf, shortOf } from "./canvas";

const ME = "data:v1beta:orders";
const node = (id: string, title = id) => ({ id, kind: "dataset", title });
const edge = (from: string, to: string, kind: string) => ({ from, to, kind });

it("inputs lead in, all else leads out, each to where it is shown", () => {
  const { boxes, edges } = canvasOf(
    {
      nodes: [node(ME, "Orders"), node("dataos://lake:raw/orders"), node("restricted:1", "restricted dataset")],
      edges: [
        edge("dataos://lake:raw/orders", ME, "input"),
        edge(ME, "restricted:1", "output"),
        edge(ME, "bundle:v1beta:shop", "bundle"),
        edge(ME, "service:v1:api:public", "service"),
        edge(ME, "data:v1beta:baskets", "consumer"),
      ],
    },
    ME,
  );
  expect(boxes.map(({ role, title }) => `${role} ${title}`)).toEqual([
    "Data Product orders",
    "Input raw/orders",
    "Output restricted dataset",
    "Bundle shop",
    "API api",
    "Used by baskets",
  ]);
  expect(boxes.map(({ target }) => target)).toEqual([
    { to: "here" },
    { to: "tab", tab: "inputs", data: "dataos://lake:raw/orders" },
    { to: "tab", tab: "outputs", data: undefined },
    { to: "resource", type: "bundle", name: "shop", workspace: undefined },
    { to: "resource", type: "service", name: "api", workspace: "public" },
    { to: "product", name: "baskets" },
  ]);
  expect(edges[0]).toEqual({ from: "input dataos://lake:raw/orders", to: ME });
  expect(edges.slice(1).every(({ from }) => from === ME)).toBe(true);
});

it("what is read and made stands on both sides", () => {
  const both = "dataos://lake:raw/orders";
  const { boxes } = canvasOf({ nodes: [], edges: [edge(both, ME, "input"), edge(ME, both, "output")] }, ME);
  expect(new Set(boxes.map(({ id }) => id)).size).toBe(3);
});

it("many of a kind are counted", () => {
  const edges = Array.from({ length: 30 }, (_, i) => edge(`dataos://lake:raw/t${i}`, ME, "input"));
  const { boxes } = canvasOf({ nodes: [], edges }, ME);
  expect(boxes).toHaveLength(7);
  expect(boxes.at(-1)).toMatchObject({ title: "25 more", target: { to: "tab", tab: "inputs" } });
});

it.each([
  ["dataos://lake:retail/a/b.csv", "retail/a/b.csv"],
  ["workflow:v1:load:public", "load"],
  ["Orders: all of them", "Orders: all of them"],
])("%s is %s", (title, short) => {
  expect(shortOf(title)).toBe(short);
});
