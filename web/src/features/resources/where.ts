interface Named {
  type: string;
  name: string;
  workspace: string | null;
}

/** Parameters of the route of a Resource. */
export function whereOf(resource: Named): { params: { type: string; name: string }; search: { workspace?: string } } {
  const { type, name, workspace } = resource;
  return { params: { type, name }, search: workspace === null ? {} : { workspace } };
}
