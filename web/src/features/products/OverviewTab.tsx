import { Anchor, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { lazy, Suspense, type ReactElement } from "react";

import { DescriptionList } from "@/components/DescriptionList";
import { Link } from "@/components/Link";
import { RelativeTime } from "@/components/RelativeTime";
import { Skeletons } from "@/components/Skeletons";
import { StatusBadge } from "@/components/StatusBadge";
import { Surface } from "@/components/Surface";
import classes from "./OverviewTab.module.css";
import { ProductFigures } from "./ProductFigures";
import { ProductRefs } from "./ProductRefs";
import { safeLink } from "./links";
import type { Product } from "./queries";

const ProductCanvas = lazy(() => import("./ProductCanvas"));

/** What a product is for, what it is made of, how it does. */
export function OverviewTab({ product }: { product: Product }): ReactElement {
  return (
    <Stack gap="md">
      <Suspense fallback={<Skeletons rows={1} height={320} />}>
        <ProductCanvas product={product} />
      </Suspense>
      <ProductFigures name={product.name} />
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Surface label="About">
          <Title order={2} mb="sm">
            About
          </Title>
          <About product={product} />
        </Surface>
        <Surface label="What it points at">
          <Title order={2} mb="sm">
            What it points at
          </Title>
          <ProductRefs product={product} />
        </Surface>
      </SimpleGrid>
      {product.documentation !== null && (
        <Surface label="Documentation">
          <Title order={2} mb="sm">
            Documentation
          </Title>
          <Text className={classes.text}>{product.documentation}</Text>
        </Surface>
      )}
    </Stack>
  );
}

function About({ product }: { product: Product }): ReactElement {
  const support = Object.entries(product.support ?? {});
  const free = Object.entries(product.meta).map(([key, value]) => [`${key} (meta)`, textOf(value)] as const);
  return (
    <DescriptionList
      items={[
        ["Purpose", product.purpose],
        ["Owner", product.ownerName],
        ["Stage", <StatusBadge key="stage" state={product.stage} />],
        ["Address", product.id],
        ["Contract version", product.contractVersion],
        ["Created", <RelativeTime key="created" at={product.created} />],
        ["Changed", <RelativeTime key="updated" at={product.updated} />],
        ...support.map(
          ([kind, text]) => [`Support: ${kind}`, <Outside key={kind} title={text} href={text} />] as const,
        ),
        ["Links", product.links.length > 0 ? <Links key="links" links={product.links} /> : null],
        ...free,
        ["Related", <Products key="related" names={product.related.map((id) => id.split(":").slice(2).join(":"))} />],
        ["Used by", <Products key="used" names={product.consumedBy} />],
      ]}
    />
  );
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

function Outside({ title, href }: { title: string; href: string }): ReactElement {
  const link = safeLink(href);
  if (link === null) return <>{title}</>;
  return (
    <Anchor href={link} target="_blank" rel="noreferrer">
      {title}
    </Anchor>
  );
}

function Links({ links }: { links: Product["links"] }): ReactElement {
  return (
    <Stack gap={0}>
      {links.map(({ title, href }) => (
        <Outside key={href} title={title} href={href} />
      ))}
    </Stack>
  );
}

function Products({ names }: { names: readonly string[] }): ReactElement | null {
  if (names.length === 0) return <>–</>;
  return (
    <>
      {names.map((name, position) => (
        <span key={name}>
          {position > 0 && ", "}
          <Link to="/products/$name" params={{ name }}>
            {name}
          </Link>
        </span>
      ))}
    </>
  );
}
