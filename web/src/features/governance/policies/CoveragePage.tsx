import { Button, Group, Progress, Stack, Text, TextInput } from "@mantine/core";
import { IconShieldCheck, IconTag } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState, type ReactElement, type SyntheticEvent } from "react";

import { DataTable, type Column } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Link } from "@/components/Link";
import { LinkButton } from "@/components/LinkButton";
import { PageHeader } from "@/components/PageHeader";
import { Surface } from "@/components/Surface";
import { AsyncPart } from "../shared/AsyncPart";
import { coverageQuery, type Coverage } from "./queries";
import { ViewersDrawer } from "./ViewersDrawer";

type Uncovered = Coverage["uncovered"][number];

/** Governance > Coverage: columns that carry tags and are seen in clear all the same. */
export default function CoveragePage(): ReactElement {
  const { dataset, viewers } = useSearch({ from: "/shell/governance/coverage" });
  const navigate = useNavigate({ from: "/governance/coverage" });
  const [text, setText] = useState(dataset ?? "");
  const query = useQuery(coverageQuery(dataset));
  const columns = useMemo(() => columnsOf(dataset), [dataset]);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const wanted = text.trim();
    void navigate({ search: { dataset: wanted === "" ? undefined : wanted } });
  };
  return (
    <>
      <PageHeader title="Coverage" description="Tagged columns that somebody who is no operator sees as they are" />
      <form onSubmit={submit}>
        <Group gap="xs" mb="md" align="flex-end">
          <TextInput
            label="Dataset"
            description="All if left out"
            placeholder="dataos://depot:collection/dataset"
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            w={420}
          />
          <Button type="submit" variant="default">
            Look
          </Button>
        </Group>
      </form>
      <AsyncPart query={query} failed="Coverage cannot be shown">
        {(found) => (
          <Stack>
            <Share found={found} />
            {found.uncovered.length > 0 && (
              <DataTable
                label="Columns in clear"
                rows={found.uncovered}
                columns={columns}
                idOf={(one) => `${one.dataset}#${one.column}`}
              />
            )}
            {found.uncovered.length === 0 && found.covered > 0 && (
              <EmptyState icon={<IconShieldCheck />} title="Every tagged column is covered">
                Nobody but operators sees one as it is.
              </EmptyState>
            )}
            {found.uncovered.length + found.covered === 0 && (
              <EmptyState
                icon={<IconTag />}
                title="No column has a tag"
                action={<LinkButton to="/governance/tags">Tag columns</LinkButton>}
              >
                Masks of policies find columns by tags such as PII.Email.
              </EmptyState>
            )}
          </Stack>
        )}
      </AsyncPart>
      {viewers !== undefined && (
        <ViewersDrawer of={viewers} onClose={() => void navigate({ search: { dataset }, replace: true })} />
      )}
    </>
  );
}

function Share({ found }: { found: Coverage }): ReactElement | null {
  const all = found.covered + found.uncovered.length;
  if (all === 0) return null;
  return (
    <Surface label="Share">
      <Text mb="xs">
        {found.covered} of {all} tagged columns are covered, {found.uncovered.length} are not.
      </Text>
      <Progress value={(100 * found.covered) / all} aria-label="Share of tagged columns that are covered" />
    </Surface>
  );
}

function columnsOf(chosen: string | undefined): readonly Column<Uncovered>[] {
  return [
    { id: "dataset", header: "Dataset", value: (u) => u.dataset, width: 3 },
    { id: "column", header: "Column", value: (u) => u.column, width: 1.5 },
    { id: "tags", header: "Tags", value: (u) => u.tags.join(", "), width: 2 },
    { id: "inClear", header: "In clear for", value: (u) => u.inClear.join(", "), width: 2.5 },
    {
      id: "viewers",
      header: "Action",
      value: () => "",
      width: 1.2,
      cell: (u) => (
        <Link to="/governance/coverage" search={{ dataset: chosen, viewers: `${u.dataset}#${u.column}` }}>
          Who sees it
        </Link>
      ),
    },
  ];
}
