import { Button, Group, Stack } from "@mantine/core";
import { IconFilterOff, IconPlus, IconTag } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState, type ReactElement } from "react";

import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { PageHeader } from "@/components/PageHeader";
import { SearchBox } from "@/components/SearchBox";
import { AsyncPart } from "../shared/AsyncPart";
import { says } from "../shared/filtering";
import { rulesQuery } from "../shared/queries";
import { tagColumns } from "./columns";
import { GiveTagDialog } from "./GiveTagDialog";
import { usedTagsQuery } from "./queries";
import { UsesDrawer } from "./UsesDrawer";

/** Governance > Tags: the tags of datasets and columns, by which masks find them. */
export default function TagsPage(): ReactElement {
  const { q, tag } = useSearch({ from: "/shell/governance/tags" });
  const navigate = useNavigate({ from: "/governance/tags" });
  const query = useQuery(usedTagsQuery);
  const rules = useQuery(rulesQuery);
  const [giving, setGiving] = useState(false);
  const columns = useMemo(() => tagColumns(rules.data ?? [], q), [rules.data, q]);
  const shown = (query.data ?? []).filter((one) => says(q, one.tag));
  const give = (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setGiving(true)}>
      Give a tag
    </Button>
  );
  return (
    <>
      <PageHeader
        title="Tags"
        description="Tags of datasets and columns. Masks find columns by them, and what is made of a tagged column inherits its tags."
        actions={give}
      />
      <Group mb="md">
        <SearchBox
          label="Search tags"
          value={q ?? ""}
          onChange={(now) => void navigate({ search: { q: now === "" ? undefined : now }, replace: true })}
        />
      </Group>
      <Stack>
        <AsyncPart query={query} failed="Tags cannot be shown" rows={8}>
          {(all) =>
            shown.length > 0 ? (
              <DataTable label="Tags" rows={shown} columns={columns} idOf={(one) => one.tag} />
            ) : all.length > 0 ? (
              <EmptyState icon={<IconFilterOff />} title="No tag has that name" />
            ) : (
              <EmptyState icon={<IconTag />} title="Nothing is tagged yet">
                Tag a column, for instance with PII.Email: policies that mask this tag hold for it at once.
              </EmptyState>
            )
          }
        </AsyncPart>
      </Stack>
      <GiveTagDialog opened={giving} onClose={() => setGiving(false)} />
      {tag !== undefined && <UsesDrawer tag={tag} onClose={() => void navigate({ search: { q }, replace: true })} />}
    </>
  );
}
