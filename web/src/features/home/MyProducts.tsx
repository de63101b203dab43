import { IconPackages, IconStar } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Link } from "@/components/Link";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";
import { ProductLines } from "@/features/products/ProductLines";
import { fewQuery } from "@/features/products/queries";

const EMPTY = {
  favorite: { icon: <IconStar />, title: "You have no favourites yet" },
  recent: { icon: <IconPackages />, title: "You have opened no product yet" },
};

/** The reader's favourite products, or those that were opened lately. */
export function MyProducts({ only }: { only: "favorite" | "recent" }): ReactElement {
  const { data, error, refetch } = useQuery(fewQuery(only));
  if (error !== null) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeletons rows={3} />;
  return (
    <Surface>
      {data.length === 0 ? (
        <EmptyState {...EMPTY[only]} action={<Link to="/products">Find Data Products</Link>} />
      ) : (
        <ProductLines cards={data} />
      )}
    </Surface>
  );
}
