import { SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconChecklist } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type ReactElement } from "react";

import type { components } from "@/api/schema";
import Chart from "@/components/Chart";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";
import { exact } from "@/lib/times";
import { CATEGORY_WORDS } from "./categories";
import { ChecksTable } from "./ChecksTable";
import { Figure } from "./Figure";
import { ListAndDetail } from "./ListAndDetail";
import { count } from "@/lib/sizes";
import { percent } from "./numbers";
import { qualityQuery, type Product } from "./queries";

type Quality = components["schemas"]["dataos__doors__product_pages__Quality"];
const ALL = "all";

/** Checks on the product's datasets by category, how they went over time, and what the manifest declares. */
export default function QualityTab({ product }: { product: Product }): ReactElement {
  const { category } = useSearch({ from: "/shell/products/$name" });
  const navigate = useNavigate({ from: "/products/$name" });
  const all = useQuery(qualityQuery(product.name, undefined));
  const one = useQuery(qualityQuery(product.name, category));
  const error = all.error ?? one.error;
  if (error !== null) return <ErrorState error={error} onRetry={() => void all.refetch().then(() => one.refetch())} />;
  if (all.data === undefined || one.data === undefined) return <Skeletons />;
  const { categories, declared } = all.data;
  if (categories.length === 0 && declared.length === 0) {
    return (
      <EmptyState icon={<IconChecklist />} title="There are no checks yet">
        Write some below <code>checks</code> of an output, and let a Workflow of the product check its tables. Checks of
        datasets that you may not read are not shown.
      </EmptyState>
    );
  }
  return (
    <ListAndDetail
      label="Categories"
      items={[
        { id: ALL, title: "All checks", note: percent(all.data.adherence) },
        ...categories.map(({ name, passed, applied }) => ({
          id: name,
          title: name,
          note: `${count(passed)} of ${count(applied)} pass`,
        })),
      ]}
      chosen={category ?? ALL}
      onChoose={(id) =>
        void navigate({
          search: (old) => ({ ...old, category: id === ALL ? undefined : id }),
          replace: true,
          resetScroll: false,
        })
      }
    >
      <Stack gap="md">
        <Text c="dimmed">{CATEGORY_WORDS[category ?? ALL] ?? ""}</Text>
        <Found quality={one.data} category={category} />
      </Stack>
    </ListAndDetail>
  );
}

function Found({ quality, category }: { quality: Quality; category: string | undefined }): ReactElement {
  const { trend, checks, adherence, runs } = quality;
  const categories = useMemo(() => trend.map(({ at }) => (at === null ? "" : exact(new Date(at)))), [trend]);
  const series = useMemo(() => [{ name: "Checks passed (%)", values: trend.map((point) => point.percent) }], [trend]);
  const declared = quality.declared.filter((check) => category === undefined || check.category === category);
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Figure
          label="Checks passed"
          value={percent(adherence)}
          note={`over the last ${runs} ${runs === 1 ? "run" : "runs"}`}
        />
        <Figure label="Checks" value={count(checks.length)} note="with a result" />
      </SimpleGrid>
      {trend.length > 0 && (
        <Surface label="Trend">
          <Title order={2} mb="sm">
            Trend
          </Title>
          <Chart
            kind="line"
            categories={categories}
            series={series}
            label={`Checks passed by run, newest ${percent(trend.at(-1)?.percent ?? null)}`}
            height={220}
          />
        </Surface>
      )}
      <ChecksTable checks={checks} declared={declared} />
    </>
  );
}
