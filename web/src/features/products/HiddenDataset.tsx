import { IconLock } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { AskAccess } from "./AskAccess";
import type { Product } from "./queries";

/** In place of a dataset that no policy opens to the reader: not even its name is told. */
export function HiddenDataset({ product }: { product: Product }): ReactElement {
  return (
    <EmptyState icon={<IconLock />} title="You have no access to this dataset" action={<AskAccess product={product} />}>
      No policy lets you read it, so neither its name nor its columns are shown. Ask for access and say what you need it
      for; owner and developers of the product are told.
    </EmptyState>
  );
}
