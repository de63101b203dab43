import { expect, it } from "vitest";

import { summaryOf, worstFirst } from "./examination";

const made = (name: string, state: string) => ({ name, state, detail: "", mend: "" });

it("shows the worst first and keeps the order else", () => {
  const names = worstFirst([made("a", "ok"), made("b", "warn"), made("c", "fail"), made("d", "warn")]).map(
    (f) => f.name,
  );
  expect(names).toEqual(["c", "b", "d", "a"]);
});

it("sums up", () => {
  expect(summaryOf([made("a", "ok"), made("b", "warn"), made("c", "warn"), made("d", "fail")])).toBe(
    "1 failure, 2 warnings in 4 checks",
  );
  expect(summaryOf([made("a", "ok")])).toBe("Nothing to mend in 1 checks");
});
