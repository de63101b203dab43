import { expect, it } from "vitest";

import { moved, pagesOf } from "./moving";

const size = { rows: 100, columns: 5, page: 20 };
const press = (key: string, ctrlKey = false) => ({ key, ctrlKey, metaKey: false });

it("keys lead to cells and not beyond the edges", () => {
  const at = { row: 50, column: 2 };
  expect(moved(null, press("ArrowDown"), size)).toEqual({ row: 0, column: 0 });
  expect(moved(null, press("End", true), size)).toEqual({ row: 99, column: 4 });
  expect(moved(at, press("ArrowDown"), size)).toEqual({ row: 51, column: 2 });
  expect(moved(at, press("ArrowLeft"), size)).toEqual({ row: 50, column: 1 });
  expect(moved(at, press("PageUp"), size)).toEqual({ row: 30, column: 2 });
  expect(moved(at, press("End"), size)).toEqual({ row: 50, column: 4 });
  expect(moved(at, press("End", true), size)).toEqual({ row: 99, column: 4 });
  expect(moved({ row: 0, column: 0 }, press("ArrowUp"), size)).toEqual({ row: 0, column: 0 });
  expect(moved(at, press("a"), size)).toBeNull();
});

it("rows stand on pages", () => {
  expect(pagesOf(0, 30, 500)).toEqual([0]);
  expect(pagesOf(490, 1000, 500)).toEqual([0, 1, 2]);
});
