import { expect, it } from "vitest";

import { safeNext } from "./paths";

it.each([
  ["/operations/resources?type=depot", "/operations/resources?type=depot"],
  ["/profile/tokens#new", "/profile/tokens#new"],
  [undefined, "/"],
  ["https://evil.example/", "/"],
  ["//evil.example/x", "/"],
  ["/\\evil.example", "/"],
  ["javascript:alert(1)", "/"],
  ["/\t/evil.example", "/"],
  ["/login?next=/login", "/"],
])("after signing in, %j leads to %j", (given, wanted) => {
  expect(safeNext(given)).toBe(wanted);
});
