import { expect, it } from "vitest";

import { dotted, literal, namesOf, quoted } from "./names";

it("quotes what would not mean itself", () => {
  expect(["orders", "a_1", "Orders", "my table", "order", "a$files", "1a", 'a"b'].map(quoted)).toEqual([
    "orders",
    "a_1",
    '"Orders"',
    '"my table"',
    '"order"',
    '"a$files"',
    '"1a"',
    '"a""b"',
  ]);
  expect(dotted("lakehouse", "retail", "Orders")).toBe('lakehouse.retail."Orders"');
  expect(literal("it's")).toBe("'it''s'");
});

it("reads paths, also unfinished ones", () => {
  expect(namesOf("lakehouse.retail.")).toEqual(["lakehouse", "retail", ""]);
  expect(namesOf("lakehouse.re")).toEqual(["lakehouse", "re"]);
  expect(namesOf('"my cat"."a""b')).toEqual(["my cat", 'a"b']);
  expect(namesOf("")).toEqual([""]);
});
