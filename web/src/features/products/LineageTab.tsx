import { Group, Select, Stack, Text } from "@mantine/core";
import { IconSitemap } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { LineagePicture } from "./LineagePicture";
import { datasetsQuery, type Product } from "./queries";

/** Where the product's datasets come from and what is made of them, a step at a time. */
export default function LineageTab({ product }: { product: Product }): ReactElement {
  const { data: wanted } = useSearch({ from: "/shell/products/$name" });
  const navigate = useNavigate({ from: "/products/$name" });
  const outputs = useQuery(datasetsQuery(product.name, "output"));
  const inputs = useQuery(datasetsQuery(product.name, "input"));
  const error = outputs.error ?? inputs.error;
  if (error !== null) {
    return <ErrorState error={error} onRetry={() => void outputs.refetch().then(() => inputs.refetch())} />;
  }
  if (outputs.data === undefined || inputs.data === undefined) return <Skeletons />;
  const known = [...outputs.data, ...inputs.data].flatMap(({ address }) => address ?? []);
  const addresses = [...new Set(known)];
  const chosen = addresses.find((address) => address === wanted) ?? addresses[0];
  if (chosen === undefined) {
    return (
      <EmptyState icon={<IconSitemap />} title="You may not know its datasets">
        No policy lets you read them: ask for access to the product.
      </EmptyState>
    );
  }
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end">
        <Select
          label="Around dataset"
          data={addresses}
          value={chosen}
          allowDeselect={false}
          w="min(520px, 100%)"
          onChange={(data) =>
            void navigate({ search: (old) => ({ ...old, data: data ?? undefined }), replace: true, resetScroll: false })
          }
        />
        <Text size="sm" c="dimmed">
          Of the newest runs that succeeded. A dataset shows its own neighbours when you ask it to.
        </Text>
      </Group>
      <LineagePicture key={chosen} start={chosen} />
    </Stack>
  );
}
