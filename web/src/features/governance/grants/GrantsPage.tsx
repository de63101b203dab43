import { Group, Tabs } from "@mantine/core";
import { IconInboxOff, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { useMe } from "@/app/me";
import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Link } from "@/components/Link";
import { LinkButton } from "@/components/LinkButton";
import { PageHeader } from "@/components/PageHeader";
import { SearchBox } from "@/components/SearchBox";
import { AsyncPart } from "../shared/AsyncPart";
import { GRANT_COLUMNS } from "../shared/GrantColumns";
import { grantsQuery } from "../shared/queries";
import { chosenOf, grantsOf, TABS, type Tab } from "./listing";

const LABELS: Record<Tab, string> = {
  requested: "To decide",
  approved: "In force",
  rejected: "Rejected",
  mine: "Yours",
};

/** Governance > Grants: requests, what is in force, what was refused; the reader's own. */
export default function GrantsPage(): ReactElement {
  const me = useMe();
  const { q, tab } = useSearch({ from: "/shell/governance/grants" });
  const navigate = useNavigate({ from: "/governance/grants" });
  const query = useQuery(grantsQuery);
  const chosen = TABS.find((one) => one === tab) ?? (me.may.has("manage-governance-primitives") ? "requested" : "mine");
  return (
    <>
      <PageHeader
        title="Grants"
        description="A use case, given to users and roles. A request is in force once somebody who governs approves it."
        actions={
          <LinkButton to="/governance/grants/new" leftSection={<IconPlus size={16} aria-hidden />}>
            Request a grant
          </LinkButton>
        }
      />
      <Group mb="md">
        <SearchBox
          label="Search grants"
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
          {TABS.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {LABELS[one]}
              {query.data !== undefined && ` (${grantsOf(query.data, one, me.user.id).length})`}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={chosen}>
          <AsyncPart query={query} failed="Grants cannot be shown" rows={8}>
            {(all) => {
              const shown = chosenOf(grantsOf(all, chosen, me.user.id), q);
              if (shown.length === 0) return <Nothing tab={chosen} searched={q !== undefined} />;
              return <DataTable label="Grants" rows={shown} columns={GRANT_COLUMNS} idOf={(grant) => grant.id} />;
            }}
          </AsyncPart>
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function Nothing({ tab, searched }: { tab: Tab; searched: boolean }): ReactElement {
  if (searched) return <EmptyState icon={<IconInboxOff />} title="Nothing matches" />;
  if (tab === "requested") return <EmptyState icon={<IconInboxOff />} title="There is nothing to decide" />;
  if (tab === "mine") {
    return (
      <EmptyState icon={<IconInboxOff />} title="You asked for nothing yet">
        Request what you need; what your roles have stands at{" "}
        <Link to="/profile" underline="always">
          your profile
        </Link>
        .
      </EmptyState>
    );
  }
  return (
    <EmptyState icon={<IconInboxOff />} title={tab === "approved" ? "No grant is in force" : "Nothing was rejected"}>
      Grants that ended or were taken back stand in the{" "}
      <Link to="/governance/audit" search={{ action: "grant.*" }} underline="always">
        audit
      </Link>
      .
    </EmptyState>
  );
}
