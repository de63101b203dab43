import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { resourcesQuery } from "@/features/resources/queries";

const DEFAULT = "miniature";

interface Props {
  value: string | null;
  onChange: (cluster: string | null) => void;
}

/** Which Cluster is asked: those that the reader may see. Whether he may use it the Cluster says. */
export function ClusterSelect({ value, onChange }: Props): ReactElement {
  const { data = [] } = useQuery(resourcesQuery);
  const names = data.filter((resource) => resource.type === "cluster").map((resource) => resource.name);
  const options = [...new Set([DEFAULT, ...names, ...(value === null ? [] : [value])])];
  return (
    <Select
      aria-label="Cluster"
      w={220}
      data={options.map((name) => ({ value: name, label: name === DEFAULT ? `${name} (default)` : name }))}
      value={value ?? DEFAULT}
      allowDeselect={false}
      onChange={(name) => onChange(name === DEFAULT ? null : name)}
      comboboxProps={{ shadow: "md" }}
    />
  );
}
