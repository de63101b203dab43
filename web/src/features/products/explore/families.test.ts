import { expect, it } from "vitest";

import { familyOf } from "./families";

it.each([
  ["long", "number"],
  ["decimal(10, 2)", "number"],
  ["INTEGER", "number"],
  ["double precision", "number"],
  ["string", "text"],
  ["varchar(20)", "text"],
  ["boolean", "truth"],
  ["date", "date"],
  ["timestamptz", "moment"],
  ["timestamp(6) with time zone", "moment"],
  ["uuid", "other"],
  ["list<int>", "other"],
  ["struct<1: a: optional int>", "other"],
  ["interval day to second", "other"],
  ["", "other"],
])("%s is of family %s", (type, family) => {
  expect(familyOf(type)).toBe(family);
});
