import { Button, Group, Stack } from "@mantine/core";
import { IconDownload, IconListSearch } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type ReactElement } from "react";

import { useMe } from "@/app/me";
import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { PageHeader } from "@/components/PageHeader";
import { AsyncPart } from "../shared/AsyncPart";
import { AuditFilters } from "./AuditFilters";
import { auditColumns } from "./columns";
import { auditQuery } from "./queries";
import { RowDrawer } from "./RowDrawer";
import { queryOf, soughtOf } from "./seeking";
import { Verdict } from "./Verdict";

/** Governance > Audit: who asked for what, and how it was decided. */
export default function AuditPage(): ReactElement {
  const me = useMe();
  const search = useSearch({ from: "/shell/governance/audit" });
  const navigate = useNavigate({ from: "/governance/audit" });
  const sought = useMemo(() => soughtOf(search), [search]);
  const query = useInfiniteQuery(auditQuery(sought));
  const columns = useMemo(() => auditColumns(search), [search]);
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items), [query.data]);
  return (
    <>
      <PageHeader
        title="Audit"
        description="Who asked for what, as whom, and how it was decided; the newest first. Each row seals those before it."
        actions={
          me.may.has("read-audit") && (
            <Button
              component="a"
              href={`/api/v1/audit/export?${queryOf(sought)}`}
              download="audit.jsonl"
              variant="default"
              leftSection={<IconDownload size={16} aria-hidden />}
            >
              Export as JSON lines
            </Button>
          )
        }
      />
      <Stack>
        <Verdict />
        <AuditFilters key={queryOf(sought)} search={search} />
        <AsyncPart query={{ ...query, data: rows }} failed="The audit cannot be shown" rows={8}>
          {(found) =>
            found.length === 0 ? (
              <EmptyState icon={<IconListSearch />} title="No row is like that">
                Old rows go by themselves (setting <code>keep.audit_days</code>).
              </EmptyState>
            ) : (
              <>
                <DataTable label="Audit" rows={found} columns={columns} idOf={(row) => String(row.seq)} />
                <Group justify="center">
                  <Button
                    variant="default"
                    disabled={!query.hasNextPage}
                    loading={query.isFetchingNextPage}
                    onClick={() => void query.fetchNextPage()}
                  >
                    {query.hasNextPage ? "Show older rows" : `These are all ${found.length}`}
                  </Button>
                </Group>
              </>
            )
          }
        </AsyncPart>
      </Stack>
      {search.row !== undefined && (
        <RowDrawer
          seq={search.row}
          onClose={() => void navigate({ search: { ...search, row: undefined }, replace: true })}
        />
      )}
    </>
  );
}
