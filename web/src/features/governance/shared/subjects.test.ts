import { expect, it } from "vitest";

import { inWords, plainTags, roleOf, rolesIn, userOf } from "./subjects";

const tags = ["roles:id:user", "users:id:ida", "dataos:u:ida", "roles:id:a:b"];

it("tells roles and users from other tags", () => {
  expect(tags.map(roleOf)).toEqual(["user", undefined, undefined, undefined]);
  expect(tags.map(userOf)).toEqual([undefined, "ida", undefined, undefined]);
  expect(rolesIn(tags)).toEqual(["user"]);
  expect(plainTags(tags)).toEqual(["dataos:u:ida", "roles:id:a:b"]);
});
it("takes no pattern for a role or a user", () => {
  expect(["roles:id:*", "roles:id:**", "roles:id:"].map(roleOf)).toEqual([undefined, undefined, undefined]);
  expect(userOf("users:id:usage-*")).toBeUndefined();
});
it("says groups as words", () => {
  expect(inWords([["a", "b"], ["c"]])).toBe("a and b, or c");
});
