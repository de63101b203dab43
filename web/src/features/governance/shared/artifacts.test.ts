import { expect, it } from "vitest";

import { caseFrom, namespaceFrom, providerFrom } from "./artifacts";

const raw = { id: "x", name: "X", shipped: false };

it("reads a use case with the values that it gives", () => {
  const values = [{ authorization_atom_id: "a", variable_values: [{ path: "/x/**" }, { path: "/y" }] }];
  expect(caseFrom({ ...raw, category: "data", authorization_atoms: ["a", "b"], values })).toMatchObject({
    category: "data",
    atoms: ["a", "b"],
    values: [{ atom: "a", sets: [{ path: "/x/**" }, { path: "/y" }] }],
  });
});
it("reads atoms with lone tags and groups of tags", () => {
  const atoms = [{ id: "a", predicate: "read", tags: ["one", ["two", "three"]] }];
  expect(providerFrom({ ...raw, authorization_atoms: atoms }).atoms).toEqual([
    { id: "a", predicate: "read", description: "", tags: [["one"], ["two", "three"]], paths: [] },
  ]);
});
it("takes what is missing for empty", () => {
  expect(namespaceFrom(raw)).toEqual({ ...raw, description: "", glob: "", type: "" });
  expect(caseFrom(raw)).toMatchObject({ atoms: [], values: [] });
});
