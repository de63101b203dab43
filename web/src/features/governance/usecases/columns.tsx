import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import type { Provider, UseCase } from "../shared/artifacts";

/** The list of use cases. `grants`: how many grants in force each has. */
export function caseColumns(grants: ReadonlyMap<string, number>): readonly Column<UseCase>[] {
  return [
    {
      id: "id",
      header: "Use case",
      value: (u) => u.id,
      width: 3,
      cell: (u) => (
        <Link to="/governance/use-cases/$id" params={{ id: u.id }} fw={550}>
          {u.id}
        </Link>
      ),
    },
    { id: "name", header: "Name", value: (u) => u.name, width: 3 },
    { id: "category", header: "Category", value: (u) => u.category, width: 1.6 },
    { id: "atoms", header: "Atoms", value: (u) => u.atoms.length, width: 0.8 },
    { id: "grants", header: "Grants", value: (u) => grants.get(u.id) ?? 0, width: 0.8 },
    { id: "shipped", header: "Came with", value: (u) => (u.shipped ? "installation" : ""), width: 1.3 },
  ];
}

/** The list of providers. */
export const PROVIDER_COLUMNS: readonly Column<Provider>[] = [
  {
    id: "id",
    header: "Provider",
    value: (p) => p.id,
    width: 2.4,
    cell: (p) => (
      <Link to="/governance/use-cases/providers/$id" params={{ id: p.id }} fw={550}>
        {p.id}
      </Link>
    ),
  },
  { id: "name", header: "Name", value: (p) => p.name, width: 2 },
  { id: "description", header: "What it guards", value: (p) => p.description, width: 3 },
  { id: "atoms", header: "Atoms", value: (p) => p.atoms.length, width: 0.8 },
  { id: "version", header: "Version", value: (p) => p.version },
  { id: "shipped", header: "Came with", value: (p) => (p.shipped ? "installation" : ""), width: 1.3 },
];
