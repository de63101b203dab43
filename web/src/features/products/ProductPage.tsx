import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { Skeletons } from "@/components/Skeletons";
import { StatusBadge } from "@/components/StatusBadge";
import { AskAccess } from "./AskAccess";
import { EndBanner } from "./EndBanner";
import { FavoriteButton } from "./FavoriteButton";
import { ProductFacts } from "./ProductFacts";
import { ProductTabs } from "./ProductTabs";
import { productQuery } from "./queries";

/** One Data Product. */
export default function ProductPage(): ReactElement {
  const { name } = useParams({ from: "/shell/products/$name" });
  const { data, isError, error, refetch } = useQuery(productQuery(name));
  const crumbs = [
    <Link key="list" to="/products">
      Data Products
    </Link>,
  ];
  return (
    <>
      <PageHeader
        title={data?.title ?? name}
        crumbs={crumbs}
        description={data?.description}
        actions={
          data !== undefined && (
            <>
              <StatusBadge state={data.stage} />
              <FavoriteButton name={name} title={data.title} favorite={data.favorite} />
              <AskAccess product={data} />
            </>
          )
        }
      />
      {data === undefined && !isError && <Skeletons />}
      {isError && <ErrorState error={error} title="This product cannot be shown" onRetry={() => void refetch()} />}
      {data !== undefined && (
        <Stack gap="md">
          <EndBanner banner={data.banner} />
          <ProductFacts product={data} />
          <ProductTabs product={data} />
        </Stack>
      )}
    </>
  );
}
