import { Button, Group } from "@mantine/core";
import { IconFilterOff, IconPlus, IconShieldOff } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, type ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { FilterMenu } from "@/components/FilterMenu";
import { LinkButton } from "@/components/LinkButton";
import { PageHeader } from "@/components/PageHeader";
import { ProblemList } from "@/components/ProblemList";
import { SearchBox } from "@/components/SearchBox";
import { countsOf } from "@/lib/counting";
import type { PoliciesSearch } from "../routes";
import { AsyncPart } from "../shared/AsyncPart";
import { rulesQuery } from "../shared/queries";
import { POLICY_COLUMNS } from "./columns";
import { chosenOf, policiesOf, type Policy } from "./listing";
import { policyResourcesQuery } from "./queries";

const FILTERS: readonly { key: "effect" | "layer" | "state"; label: string; of: (policy: Policy) => string[] }[] = [
  { key: "effect", label: "Effect", of: (p) => (p.effect === "" ? [] : [p.effect]) },
  { key: "layer", label: "Layer", of: (p) => [p.layer] },
  { key: "state", label: "State", of: (p) => (p.state === "" ? [] : [p.state]) },
];

/** Governance > Policies: who may do what, and what is seen of data. */
export default function PoliciesPage(): ReactElement {
  const search = useSearch({ from: "/shell/governance/policies" });
  const navigate = useNavigate({ from: "/governance/policies" });
  const query = useQuery(policyResourcesQuery);
  const rules = useQuery(rulesQuery);
  const settled = rules.data !== undefined || rules.isError;
  const all = useMemo(() => policiesOf(query.data ?? [], rules.data), [query.data, rules.data]);
  const shown = useMemo(() => chosenOf(all, search), [all, search]);
  const change = (part: PoliciesSearch): void => void navigate({ search: { ...search, ...part }, replace: true });
  return (
    <>
      <PageHeader
        title="Policies"
        description={
          query.data === undefined || !settled
            ? "Who may do what, and what is seen of data"
            : `${shown.length} of ${all.length}. What no policy and no grant allows is refused.`
        }
        actions={
          <LinkButton to="/governance/simulate" leftSection={<IconPlus size={16} aria-hidden />}>
            Write a policy
          </LinkButton>
        }
      />
      <Group gap="xs" mb="md">
        <SearchBox
          label="Search policies"
          value={search.q ?? ""}
          onChange={(q) => change({ q: q === "" ? undefined : q })}
        />
        {FILTERS.map(({ key, label, of }) => (
          <FilterMenu
            key={key}
            label={label}
            options={countsOf(all, of)}
            chosen={search[key] ?? []}
            onChange={(chosen) => change({ [key]: chosen.length > 0 ? chosen : undefined })}
          />
        ))}
      </Group>
      {rules.isError && (
        <Group mb="md" role="alert">
          <ProblemList problems={problemsOf(rules.error)} tone="warn" />
        </Group>
      )}
      <AsyncPart
        query={{ ...query, data: settled ? query.data : undefined }}
        failed="Policies cannot be shown"
        rows={8}
      >
        {() =>
          shown.length > 0 ? (
            <DataTable label="Policies" rows={shown} columns={POLICY_COLUMNS} idOf={(policy) => policy.name} />
          ) : all.length > 0 ? (
            <EmptyState
              icon={<IconFilterOff />}
              title="Nothing matches"
              action={
                <Button variant="default" onClick={() => void navigate({ search: {}, replace: true })}>
                  Clear search and filters
                </Button>
              }
            />
          ) : (
            <EmptyState icon={<IconShieldOff />} title="You can read no policy">
              Your own rights stand under Explain. To read policies of others takes the use case{" "}
              <code>read-governance-primitives</code>.
            </EmptyState>
          )
        }
      </AsyncPart>
    </>
  );
}
