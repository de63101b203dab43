import { expect, it } from "vitest";

import { readChoices } from "./choices";

const plain = (raw: unknown): unknown => JSON.parse(JSON.stringify(readChoices(raw) ?? null));

it("nothing is chosen by what is no choice", () => {
  expect([undefined, null, "x", 7, ["a"]].map(plain)).toEqual([null, null, null, null, null]);
});

it("what is not understood is left out, the rest is kept", () => {
  expect(
    plain({
      data: "dataos://lake:retail/orders",
      columns: ["id", 7],
      groups: [{ column: "shop", by: "century" }, { by: "day" }, "shop"],
      measures: [{ how: "sum" }, { how: "count" }, { how: "drop", column: "id" }, { how: "avg", column: "id" }],
      filters: [
        { column: "id", is: "eq", value: "1" },
        { column: "id", is: "like" },
        { column: "id", is: "empty", value: 3 },
      ],
      limit: 1_000_000,
      show: "pie",
      descending: "yes",
    }),
  ).toEqual({
    data: "dataos://lake:retail/orders",
    columns: ["id"],
    groups: [{ column: "shop" }],
    measures: [{ how: "count" }, { how: "avg", column: "id" }],
    filters: [
      { column: "id", is: "eq", value: "1" },
      { column: "id", is: "empty" },
    ],
  });
});
