import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { IconTerminal2 } from "@tabler/icons-react";
import { useState, type ReactElement } from "react";

import { CopyButton } from "@/components/CopyButton";
import { DescriptionList } from "@/components/DescriptionList";
import { Link } from "@/components/Link";
import { RelativeTime } from "@/components/RelativeTime";
import { SearchBox } from "@/components/SearchBox";
import { Surface } from "@/components/Surface";
import { AccessButton } from "./AccessButton";
import { placeOf, sampleSql, workbenchLink } from "./addresses";
import { ColumnsTable } from "./ColumnsTable";
import { HiddenDataset } from "./HiddenDataset";
import { count } from "@/lib/sizes";
import type { Dataset, Product } from "./queries";
import { SampleRows } from "./SampleRows";
import { TagsButton } from "./TagsButton";

const SAMPLE = 20;

/** One dataset of a product: columns, what one may see of it, a few rows. */
export function DatasetDetail({ product, dataset }: { product: Product; dataset: Dataset }): ReactElement {
  const [text, setText] = useState("");
  const { address } = dataset;
  if (address === null) return <HiddenDataset product={product} />;
  const place = placeOf(address);
  const names = dataset.columns.map(({ name }) => name);
  const columns = dataset.columns.filter(({ name }) => name.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <Stack gap="md">
      <Surface label={dataset.name}>
        <Group justify="space-between" align="flex-start" gap="sm" mb="sm">
          <div>
            <Title order={2}>{dataset.name}</Title>
            <Text c="dimmed">{dataset.description === "" ? "No description" : dataset.description}</Text>
          </div>
          <Group gap="xs">
            <AccessButton name={product.name} address={address} label={dataset.access} />
            {place !== null && (
              <Button
                component="a"
                href={workbenchLink(sampleSql(place, names, 100))}
                variant="default"
                leftSection={<IconTerminal2 size={16} aria-hidden />}
              >
                Open in Workbench
              </Button>
            )}
          </Group>
        </Group>
        <DescriptionList
          items={[
            ["Address", <Address key="address" address={address} />],
            ["Source", dataset.source],
            ["Purpose", dataset.purpose],
            ["Owner", dataset.owner],
            ["Rows", dataset.rows === null ? null : count(dataset.rows)],
            ["Written", <Written key="written" dataset={dataset} />],
            [
              "Tags",
              <TagsButton
                key="tags"
                asset={address}
                owner={dataset.owner}
                tags={dataset.tags}
                product={product.name}
              />,
            ],
            ["Products", <Products key="products" dataset={dataset} />],
          ]}
        />
      </Surface>
      {names.length === 0 ? (
        <Text c="dimmed">
          No columns are known yet: they are once a job or the catalog describes this dataset. Sample rows show them.
        </Text>
      ) : (
        <>
          <Group justify="space-between">
            <Title order={3} fz="1rem">
              {columns.length === names.length
                ? `${names.length} columns`
                : `${columns.length} of ${names.length} columns`}
            </Title>
            <SearchBox label="Search columns" value={text} onChange={setText} />
          </Group>
          <ColumnsTable product={product.name} dataset={dataset} address={address} columns={columns} />
        </>
      )}
      {place !== null && <SampleRows sql={sampleSql(place, names, SAMPLE)} />}
    </Stack>
  );
}

function Address({ address }: { address: string }): ReactElement {
  return (
    <Group gap="xs" wrap="nowrap">
      <code>{address}</code>
      <CopyButton value={address} label="Copy the address" />
    </Group>
  );
}

function Written({ dataset }: { dataset: Dataset }): ReactElement {
  return (
    <>
      <RelativeTime at={dataset.writtenAt} />
      {dataset.rowsWritten !== null && `, ${count(dataset.rowsWritten)} ${dataset.rowsWritten === 1 ? "row" : "rows"}`}
    </>
  );
}

function Products({ dataset }: { dataset: Dataset }): ReactElement {
  return (
    <>
      {dataset.products.map(({ id, title, side }, position) => (
        <span key={`${id} ${side}`}>
          {position > 0 && ", "}
          <Link to="/products/$name" params={{ name: id.split(":").slice(2).join(":") }}>
            {title}
          </Link>{" "}
          ({side})
        </span>
      ))}
    </>
  );
}
