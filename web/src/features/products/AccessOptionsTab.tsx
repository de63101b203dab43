import { Group, Select, Stack, Text, Title } from "@mantine/core";
import { IconPlugConnected } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type ReactElement } from "react";

import { useMe } from "@/app/me";
import { CodeBlock } from "@/components/CodeBlock";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LinkButton } from "@/components/LinkButton";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";
import { placeOf, sampleSql } from "./addresses";
import { AskAccess } from "./AskAccess";
import { datasetsQuery, type Dataset, type Product } from "./queries";
import { snippetsOf } from "./snippets";

const ROWS = 100;

/** How programs read the outputs: by HTTP, from Python, by the command line. Policies hold on all ways. */
export default function AccessOptionsTab({ product }: { product: Product }): ReactElement {
  const { data: wanted } = useSearch({ from: "/shell/products/$name" });
  const navigate = useNavigate({ from: "/products/$name" });
  const { data, error, refetch } = useQuery(datasetsQuery(product.name, "output"));
  if (error !== null) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeletons />;
  const known = new Map(
    data.flatMap((one) => (one.address === null || placeOf(one.address) === null ? [] : [[one.address, one]])),
  );
  const chosen = known.get(wanted ?? "") ?? [...known.values()][0];
  if (chosen === undefined) {
    return (
      <EmptyState
        icon={<IconPlugConnected />}
        title={data.length === 0 ? "It makes no datasets" : "You may not read its outputs"}
        action={data.length > 0 && <AskAccess product={product} />}
      >
        The ways into a product are those into its outputs.
      </EmptyState>
    );
  }
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end">
        <Select
          label="Dataset"
          data={[...known.keys()]}
          value={chosen.address}
          allowDeselect={false}
          w="min(520px, 100%)"
          onChange={(data) =>
            void navigate({ search: (old) => ({ ...old, data: data ?? undefined }), replace: true, resetScroll: false })
          }
        />
        <LinkButton to="/profile/tokens" variant="default">
          Make an API key
        </LinkButton>
      </Group>
      <Text>
        Put the key into the variable <code>APIKEY</code>. Whichever way you take, you see what you see here: the same
        rows, the same masks.
      </Text>
      <Snippets dataset={chosen} />
    </Stack>
  );
}

function Snippets({ dataset }: { dataset: Dataset }): ReactElement {
  const me = useMe();
  const { address, columns } = dataset;
  const snippets = useMemo(() => {
    const place = placeOf(address ?? "");
    const names = columns.map(({ name }) => name);
    return place === null ? [] : snippetsOf(window.location.origin, me.user.id, sampleSql(place, names, ROWS));
  }, [address, columns, me.user.id]);
  return (
    <>
      {snippets.map(({ title, about, code }) => (
        <Surface key={title} label={title}>
          <Title order={2}>{title}</Title>
          <Text c="dimmed" mb="sm">
            {about}
          </Text>
          <CodeBlock label={`${title} code`} code={code} />
        </Surface>
      ))}
    </>
  );
}
