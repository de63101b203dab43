import { Group, Tabs } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type ReactElement } from "react";

import { LinkButton } from "@/components/LinkButton";
import { PageHeader } from "@/components/PageHeader";
import { SearchBox } from "@/components/SearchBox";
import { countsOf } from "@/lib/counting";
import { providerFrom, caseFrom } from "../shared/artifacts";
import { AsyncPart } from "../shared/AsyncPart";
import { says } from "../shared/filtering";
import { FilteredTable } from "../shared/FilteredTable";
import { artifactsQuery, grantsQuery } from "../shared/queries";
import { PROVIDER_COLUMNS, caseColumns } from "./columns";

/** Governance > Use cases: what can be granted, and the providers whose atoms that is made of. */
export default function UseCasesPage(): ReactElement {
  const { q, tab } = useSearch({ from: "/shell/governance/use-cases" });
  const navigate = useNavigate({ from: "/governance/use-cases" });
  const chosen = tab === "providers" ? tab : "use-cases";
  return (
    <>
      <PageHeader
        title="Use cases"
        description="What can be granted: atoms, each one predicate on some objects. Providers say which atoms there are."
        actions={
          <LinkButton to="/governance/new" search={{ kind: chosen }} leftSection={<IconPlus size={16} aria-hidden />}>
            {chosen === "providers" ? "Add provider" : "Add use case"}
          </LinkButton>
        }
      />
      <Group mb="md">
        <SearchBox
          label="Search"
          value={q ?? ""}
          onChange={(now) => void navigate({ search: { q: now === "" ? undefined : now, tab }, replace: true })}
        />
      </Group>
      <Tabs
        value={chosen}
        onChange={(value) => void navigate({ search: { q, tab: value ?? undefined }, replace: true })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="use-cases">Use cases</Tabs.Tab>
          <Tabs.Tab value="providers">Providers</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="use-cases">
          <UseCaseList q={q} />
        </Tabs.Panel>
        <Tabs.Panel value="providers">
          <ProviderList q={q} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function UseCaseList({ q }: { q: string | undefined }): ReactElement {
  const query = useQuery(artifactsQuery("use-cases"));
  const grants = useQuery(grantsQuery);
  const columns = useMemo(() => {
    const inForce = (grants.data ?? []).filter((grant) => grant.state === "approved");
    return caseColumns(new Map(countsOf(inForce, (grant) => [grant.policy_use_case_id])));
  }, [grants.data]);
  return (
    <AsyncPart query={query} failed="Use cases cannot be shown" rows={8}>
      {(found) => (
        <FilteredTable
          label="Use cases"
          rows={found.map(caseFrom).filter((one) => says(q, one.id, one.name, one.category))}
          columns={columns}
          idOf={(one) => one.id}
        />
      )}
    </AsyncPart>
  );
}

function ProviderList({ q }: { q: string | undefined }): ReactElement {
  const query = useQuery(artifactsQuery("providers"));
  return (
    <AsyncPart query={query} failed="Providers cannot be shown" rows={8}>
      {(found) => (
        <FilteredTable
          label="Providers"
          rows={found.map(providerFrom).filter((one) => says(q, one.id, one.name, ...one.atoms.map((atom) => atom.id)))}
          columns={PROVIDER_COLUMNS}
          idOf={(one) => one.id}
        />
      )}
    </AsyncPart>
  );
}
