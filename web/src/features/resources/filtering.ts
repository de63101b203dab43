import type { Summary } from "./queries";
import type { ListSearch } from "./routes";

export const INSTANCE = "(instance)";
/** In place of a workspace: types that stand in none. */

export const FILTERS: readonly { key: Exclude<keyof ListSearch, "q">; label: string; of: (r: Summary) => string }[] = [
  { key: "type", label: "Type", of: (r) => r.type },
  { key: "workspace", label: "Workspace", of: (r) => r.workspace ?? INSTANCE },
  { key: "status", label: "Status", of: (r) => r.status },
  { key: "owner", label: "Owner", of: (r) => r.owner },
];

/** What filters and search leave: any of a filter's values, all of the filters. */
export function chosenOf(resources: readonly Summary[], search: ListSearch): Summary[] {
  const text = search.q?.trim().toLowerCase() ?? "";
  return resources.filter(
    (resource) =>
      (text === "" || resource.name.toLowerCase().includes(text)) &&
      FILTERS.every(({ key, of }) => search[key] === undefined || search[key].includes(of(resource))),
  );
}
