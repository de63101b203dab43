import { expect, it } from "vitest";

import { tabsOf } from "./tabs";

const ref = (side: string, text: string) => ({ side, ref: text, health: "ok", reason: "", status: "", runtime: "" });
const ids = (tabs: string[], refs: ReturnType<typeof ref>[]) => tabsOf({ tabs, refs }).map(([id]) => id);

it("a draft has an overview and its files", () => {
  expect(ids(["Overview"], [])).toEqual(["overview", "files"]);
});

it("where all names are hidden there is nothing to explore", () => {
  const found = ids(["Overview", "Inputs", "Outputs", "Quality"], [ref("output", "restricted dataset")]);
  expect(found).toEqual(["overview", "inputs", "outputs", "quality", "access", "files"]);
});

it("one dataset that may be read is enough", () => {
  const found = ids(["Overview", "Outputs", "Quality"], [ref("output", "dataos://lake:retail/orders")]);
  expect(found).toContain("explore");
  expect(found).toContain("lineage");
});
