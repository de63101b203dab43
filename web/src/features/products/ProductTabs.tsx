import { Tabs } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, type ReactElement } from "react";

import { Skeletons } from "@/components/Skeletons";
import { DatasetsTab } from "./DatasetsTab";
import { OverviewTab } from "./OverviewTab";
import type { Product } from "./queries";
import { tabsOf, type TabId } from "./tabs";

const QualityTab = lazy(() => import("./QualityTab"));
const LineageTab = lazy(() => import("./LineageTab"));
const FilesTab = lazy(() => import("./FilesTab"));
const AccessOptionsTab = lazy(() => import("./AccessOptionsTab"));
const ExploreTab = lazy(() => import("./explore/ExploreTab"));

/** The parts of a product's page that it has. */
export function ProductTabs({ product }: { product: Product }): ReactElement {
  const { tab } = useSearch({ from: "/shell/products/$name" });
  const navigate = useNavigate({ from: "/products/$name" });
  const tabs = tabsOf(product);
  const chosen = tabs.find(([id]) => id === tab)?.[0] ?? "overview";
  const choose = (value: string | null): void =>
    void navigate({
      search: (old) => ({ ...old, tab: value === "overview" ? undefined : (value ?? undefined) }),
      replace: true,
      resetScroll: false,
    });
  return (
    <Tabs value={chosen} onChange={choose} keepMounted={false}>
      <Tabs.List mb="md">
        {tabs.map(([id, label]) => (
          <Tabs.Tab key={id} value={id}>
            {label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value={chosen}>
        <Suspense fallback={<Skeletons />}>
          <Content id={chosen} product={product} />
        </Suspense>
      </Tabs.Panel>
    </Tabs>
  );
}

function Content({ id, product }: { id: TabId; product: Product }): ReactElement {
  switch (id) {
    case "overview":
      return <OverviewTab product={product} />;
    case "inputs":
      return <DatasetsTab key="input" product={product} side="input" />;
    case "outputs":
      return <DatasetsTab key="output" product={product} side="output" />;
    case "explore":
      return <ExploreTab product={product} />;
    case "quality":
      return <QualityTab product={product} />;
    case "lineage":
      return <LineageTab product={product} />;
    case "access":
      return <AccessOptionsTab product={product} />;
    case "files":
      return <FilesTab product={product} />;
  }
}
