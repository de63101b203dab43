import { expect, it } from "vitest";

import { toYaml } from "./yaml";

it("writes several lines as a block and quotes what is no text to others", () => {
  expect(toYaml({ name: "a", on: "yes", sql: "SELECT 1\nFROM t\n", list: [1, "1"] })).toBe(
    'name: a\n"on": "yes"\nsql: |\n  SELECT 1\n  FROM t\nlist:\n  - 1\n  - "1"\n',
  );
});
