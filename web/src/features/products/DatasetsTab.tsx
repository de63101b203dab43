import { IconTableOff } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { DatasetDetail } from "./DatasetDetail";
import { ListAndDetail } from "./ListAndDetail";
import { datasetsQuery, type Dataset, type Product, type Side } from "./queries";

/** How the address names a dataset: hidden ones have none of their own, and so go by their place. */
const keyOf = (dataset: Dataset, position: number): string => dataset.address ?? `#${position}`;

/** Inputs or outputs, one at a time. */
export function DatasetsTab({ product, side }: { product: Product; side: Side }): ReactElement {
  const { data: wanted } = useSearch({ from: "/shell/products/$name" });
  const navigate = useNavigate({ from: "/products/$name" });
  const { data, error, refetch } = useQuery(datasetsQuery(product.name, side));
  if (error !== null) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeletons />;
  if (data.length === 0) {
    return (
      <EmptyState icon={<IconTableOff />} title={side === "input" ? "It reads no datasets" : "It makes no datasets"}>
        The manifest lists them below <code>{side}s</code>.
      </EmptyState>
    );
  }
  const keys = data.map(keyOf);
  const position = Math.max(0, keys.indexOf(wanted ?? ""));
  const dataset = data[position];
  return (
    <ListAndDetail
      label={side === "input" ? "Inputs" : "Outputs"}
      items={data.map((one, at) => ({ id: keyOf(one, at), title: one.name, note: one.access }))}
      chosen={keys[position] ?? ""}
      onChoose={(id) => void navigate({ search: (old) => ({ ...old, data: id }), replace: true, resetScroll: false })}
    >
      {dataset !== undefined && <DatasetDetail key={keys[position]} product={product} dataset={dataset} />}
    </ListAndDetail>
  );
}
