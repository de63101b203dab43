import { expect, it } from "vitest";

import { isServer, partsOf } from "./parts";

it("names each part once, with what is wrong first and said", () => {
  const parts = partsOf(
    [
      { name: "store", ok: true, detail: "" },
      { name: "timers", ok: false, detail: "a tick is overdue by 40 s" },
    ],
    [
      { name: "store", ok: true, detail: "sqlite" },
      { name: "cluster miniature", ok: true },
      { name: "server abc", ok: true, detail: "running http://here" },
    ],
  );
  expect(parts.map((part) => [part.name, part.ok, part.detail])).toEqual([
    ["timers", false, "a tick is overdue by 40 s"],
    ["store", true, "sqlite"],
    ["cluster miniature", true, ""],
    ["server abc", true, "running http://here"],
  ]);
  expect(parts.map((part) => part.about)).not.toContain("");
  expect(parts.filter(isServer).map((part) => part.name)).toEqual(["server abc"]);
});

it("a part is well only if all say so", () => {
  expect(partsOf([{ name: "store", ok: false, detail: "away" }], [{ name: "store", ok: true }])).toMatchObject([
    { ok: false, detail: "away" },
  ]);
});
