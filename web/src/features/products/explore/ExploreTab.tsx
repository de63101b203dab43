import { Stack } from "@mantine/core";
import { IconChartBar } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { placeOf } from "../addresses";
import { AskAccess } from "../AskAccess";
import { datasetsQuery, type Dataset, type Product } from "../queries";
import type { Choices } from "./choices";
import { ChoicePanel } from "./ChoicePanel";
import classes from "./ExploreTab.module.css";
import { Outcome } from "./Outcome";
import { sqlOf } from "./sql";
import { useStatement } from "./useStatement";

/** For who reads no SQL: choose, see, take along. All choices stand in the address, to be sent to somebody. */
export default function ExploreTab({ product }: { product: Product }): ReactElement {
  const outputs = useQuery(datasetsQuery(product.name, "output"));
  const inputs = useQuery(datasetsQuery(product.name, "input"));
  const error = outputs.error ?? inputs.error;
  if (error !== null) {
    return <ErrorState error={error} onRetry={() => void outputs.refetch().then(() => inputs.refetch())} />;
  }
  if (outputs.data === undefined || inputs.data === undefined) return <Skeletons />;
  const datasets = [...outputs.data, ...inputs.data].filter(
    ({ address, columns }) => placeOf(address ?? "") !== null && columns.length > 0,
  );
  if (datasets.length === 0) {
    return (
      <EmptyState icon={<IconChartBar />} title="There is nothing to explore" action={<AskAccess product={product} />}>
        None of its datasets is both open to you and known by its columns.
      </EmptyState>
    );
  }
  return <Explorer product={product} datasets={datasets} />;
}

function Explorer({ product, datasets }: { product: Product; datasets: readonly Dataset[] }): ReactElement {
  const { ask = {} } = useSearch({ from: "/shell/products/$name" });
  const navigate = useNavigate({ from: "/products/$name" });
  const statement = useStatement();
  const dataset = datasets.find(({ address }) => address === ask.data) ?? datasets[0];
  const address = dataset?.address ?? "";
  const built = sqlOf(ask, address, dataset?.columns ?? []);
  const change = (next: Choices): void =>
    void navigate({ search: (old) => ({ ...old, ask: next }), replace: true, resetScroll: false });
  return (
    <div className={classes.frame}>
      <ChoicePanel
        product={product.name}
        datasets={datasets}
        dataset={dataset}
        choices={ask}
        built={built}
        running={statement.running}
        onChange={change}
        onRun={statement.run}
        onStop={statement.stop}
      />
      <Stack gap="md" miw={0}>
        <Outcome statement={statement} built={built} choices={ask} onChange={change} />
      </Stack>
    </div>
  );
}
