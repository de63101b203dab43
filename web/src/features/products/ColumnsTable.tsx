import { Badge } from "@mantine/core";
import { useMemo, type ReactElement } from "react";

import { DataTable, type Column } from "@/components/DataTable";
import type { Dataset } from "./queries";
import { TagsButton } from "./TagsButton";

type DatasetColumn = Dataset["columns"][number];

interface Props {
  product: string;
  dataset: Dataset;
  address: string;
  columns: readonly DatasetColumn[];
}

/** Columns of a dataset that one may know. */
export function ColumnsTable({ product, dataset, address, columns }: Props): ReactElement {
  const { owner } = dataset;
  const shown = useMemo(
    (): readonly Column<DatasetColumn>[] => [
      { id: "name", header: "Name", value: (c) => c.name, width: 1.6 },
      {
        id: "type",
        header: "Type",
        value: (c) => c.type,
        width: 1.1,
        cell: (c) => (
          <Badge variant="default" tt="none" fw={500} ff="monospace">
            {c.type}
          </Badge>
        ),
      },
      {
        id: "description",
        header: "Description",
        value: (c) => (c.description === "" ? "–" : c.description),
        width: 2.6,
      },
      {
        id: "tags",
        header: "Tags",
        value: (c) => c.tags.join(", "),
        width: 2,
        cell: (c) => <TagsButton asset={`${address}#${c.name}`} owner={owner} tags={c.tags} product={product} />,
      },
    ],
    [product, owner, address],
  );
  return <DataTable label={`Columns of ${dataset.name}`} rows={columns} columns={shown} idOf={(c) => c.name} />;
}
