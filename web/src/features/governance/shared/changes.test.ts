import { expect, it } from "vitest";

import { detailOf } from "./changes";

it("says what a change is about", () => {
  const change = { at: "2026-01-01", by: "admin", change: "tags added", tags: ["roles:id:a", "b"], count: 2 };
  expect(detailOf(change)).toBe("tags: roles:id:a, b; count: 2");
  expect(detailOf({ at: "", by: "", change: "" })).toBe("");
});
