import { Group, SegmentedControl, Stack, Title } from "@mantine/core";
import { IconPencil } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { useMe } from "@/app/me";
import { CodeBlock } from "@/components/CodeBlock";
import { ErrorState } from "@/components/ErrorState";
import { LinkButton } from "@/components/LinkButton";
import { Skeletons } from "@/components/Skeletons";
import { toYaml } from "@/features/resources/yaml";
import { contractQuery, manifestQuery } from "./fileQueries";
import { Generations } from "./Generations";
import type { Product } from "./queries";

/** Operators may change products of others. */
const OPERATES = "maintain-installation";

/** The product as files: its manifest, the same as a data contract; and what changed from generation to generation. */
export default function FilesTab({ product }: { product: Product }): ReactElement {
  const [file, setFile] = useState("manifest");
  const { version, name } = product;
  const me = useMe();
  const mine = product.owner === me.user.id || product.people.some(({ id }) => id === me.user.id);
  const edits = mine || me.may.has(OPERATES);
  const manifest = useQuery({ ...manifestQuery(version, name), enabled: file === "manifest" });
  const contract = useQuery({ ...contractQuery(version, name), enabled: file === "contract" });
  const { data, error, refetch } = file === "manifest" ? manifest : contract;
  const label = file === "manifest" ? `Manifest of ${name}` : `Data contract of ${name}`;
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <SegmentedControl
          aria-label="File"
          value={file}
          onChange={setFile}
          data={[
            { value: "manifest", label: "Manifest" },
            { value: "contract", label: "Data contract (ODCS)" },
          ]}
        />
        {edits && (
          <LinkButton
            to="/operations/apply"
            search={{ type: "data", name }}
            variant="default"
            leftSection={<IconPencil size={16} aria-hidden />}
          >
            Edit
          </LinkButton>
        )}
      </Group>
      {error !== null && <ErrorState error={error} title={`${label} cannot be shown`} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeletons rows={8} />}
      {data !== undefined && <CodeBlock label={label} code={toYaml(data)} />}
      <Title order={2}>Generations</Title>
      <Generations product={product} />
    </Stack>
  );
}
