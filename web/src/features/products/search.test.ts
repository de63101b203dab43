import { expect, it } from "vitest";

import { chosenOf, cleared, countChosen, countWords, groupingOf, readSearch, wantedOf, withChosen } from "./search";

it("an address that was tampered with shows the plain list", () => {
  const read = readSearch({
    q: 7,
    tier: "Gold",
    domain: [1, "Sales"],
    only: "all",
    sort: "colour",
    group: "x",
    view: 1,
  });
  expect(JSON.parse(JSON.stringify(read))).toEqual({ domain: ["Sales"] });
});

it("a group of tags keeps its own values and leaves those of others", () => {
  const search = { tag: ["Team.Red", "Team.a.b", "Teams.Blue"] };
  expect(chosenOf(search, "tag.Team")).toEqual(["Red", "a.b"]);
  expect(withChosen(search, "tag.Team", ["Green"]).tag).toEqual(["Teams.Blue", "Team.Green"]);
  expect(withChosen({ tag: ["Team.Red"] }, "tag.Team", []).tag).toBeUndefined();
});

it("there is one owner, the one that was chosen last", () => {
  expect(withChosen({ owner: "maria" }, "owner", ["maria", "jon"]).owner).toBe("jon");
  expect(withChosen({ owner: "maria" }, "owner", []).owner).toBeUndefined();
  expect(chosenOf({ owner: "jon" }, "owner")).toEqual(["jon"]);
});

it("a group that the list does not know changes nothing", () => {
  expect(withChosen({ q: "a" }, "colour", ["red"])).toEqual({ q: "a" });
});

it("clearing keeps how the list is shown", () => {
  const search = { q: "a", tier: ["Gold"], owner: "jon", tag: ["T.a"], group: "domain", view: "table" } as const;
  expect(countChosen({ ...search, tier: [...search.tier], tag: [...search.tag] })).toBe(3);
  expect(JSON.parse(JSON.stringify(cleared({ ...search, tier: [], tag: [] })))).toEqual({
    group: "domain",
    view: "table",
  });
});

it("favourites and recent ones are asked of the server, how they are shown is not", () => {
  expect(JSON.parse(JSON.stringify(wantedOf({ only: "recent", view: "table", preview: "x" })))).toEqual({
    recent: true,
  });
});

it("what has an order of its own is not grouped unless asked", () => {
  expect(groupingOf({})).toBe("usecase");
  expect(groupingOf({ only: "recent" })).toBe("none");
  expect(groupingOf({ sort: "-updated" })).toBe("none");
  expect(groupingOf({ sort: "-updated", group: "domain" })).toBe("domain");
});

it.each([
  [1, false, "1 product"],
  [1, true, "1 product matches"],
  [0, true, "0 products match"],
])("%d, filtered %j: %s", (total, filtered, words) => {
  expect(countWords(total, filtered)).toBe(words);
});
