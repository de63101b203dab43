import { expect, it } from "vitest";

import { count, size } from "./sizes";

it.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1536, "1.5 KiB"],
  [5 * 1024 ** 3, "5.0 GiB"],
  [3 * 1024 ** 5, "3072.0 TiB"],
])("%d bytes are %s", (bytes, wanted) => {
  expect(size(bytes)).toBe(wanted);
});

it("writes thousands apart", () => expect(count(1234567)).toBe("1,234,567"));
