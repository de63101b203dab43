import { expect, it } from "vitest";

import { safeLink } from "./links";

it.each([
  ["https://git.example.org/a?b=c", "https://git.example.org/a?b=c"],
  ["mailto:team@example.org", "mailto:team@example.org"],
  ["javascript:alert(1)", null],
  [" JavaScript:alert(1)", null],
  ["data:text/html,x", null],
  ["//elsewhere", null],
  ["team chat", null],
  [null, null],
])("%j leads to %j", (text, link) => {
  expect(safeLink(text)).toBe(link);
});
