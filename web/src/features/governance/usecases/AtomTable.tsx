import type { ReactElement } from "react";

import { DataTable, type Column } from "@/components/DataTable";
import type { Atom } from "../shared/artifacts";
import { inWords } from "../shared/subjects";
import { variablesOf } from "../shared/variables";

/** An atom, with the values that a use case gives its variables. */
export interface Bound extends Atom {
  values: string;
}

const COLUMNS: readonly Column<Bound>[] = [
  { id: "id", header: "Atom", value: (a) => a.id, width: 2.2 },
  { id: "predicate", header: "Predicate", value: (a) => a.predicate },
  {
    id: "objects",
    header: "Objects",
    value: (a) => [...a.paths, inWords(a.tags)].filter(Boolean).join(", "),
    width: 4,
  },
  { id: "variables", header: "Variables", value: (a) => variablesOf(a).join(", "), width: 1.6 },
  { id: "values", header: "Values", value: (a) => a.values, width: 2 },
  { id: "description", header: "What for", value: (a) => a.description, width: 2 },
];

/** Atoms: one predicate on some objects each. */
export function AtomTable({ atoms }: { atoms: readonly Bound[] }): ReactElement {
  return <DataTable label="Atoms" rows={atoms} columns={COLUMNS} idOf={(atom) => atom.id} />;
}
