import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { AsyncPart } from "../shared/AsyncPart";
import { ChangesPart } from "../shared/ChangesPart";
import type { User } from "../shared/queries";
import { AccessTab } from "./AccessTab";
import { KeysTab } from "./KeysTab";
import { OverviewTab } from "./OverviewTab";
import { userChangesQuery, userQuery } from "./queries";
import { UserActions } from "./UserActions";

const TABS = ["overview", "access", "keys", "changes"];
const HERE = "/shell/governance/users/$id";

/** One person or application. */
export default function UserPage(): ReactElement {
  const { id } = useParams({ from: HERE });
  const query = useQuery(userQuery(id));
  return (
    <>
      <PageHeader
        title={query.data?.name ?? id}
        crumbs={[
          <Link key="list" to="/governance/users">
            Users
          </Link>,
        ]}
        description={query.data === undefined ? undefined : `${query.data.type} ${query.data.id}`}
        actions={query.data !== undefined && <UserActions user={query.data} />}
      />
      <AsyncPart query={query} failed="This user cannot be shown">
        {(user) => <Detail user={user} />}
      </AsyncPart>
    </>
  );
}

function Detail({ user }: { user: User }): ReactElement {
  const { tab } = useSearch({ from: HERE });
  const navigate = useNavigate({ from: "/governance/users/$id" });
  const changes = useQuery({ ...userChangesQuery(user.id), enabled: tab === "changes" });
  const chosen = tab !== undefined && TABS.includes(tab) ? tab : "overview";
  const choose = (value: string | null): void =>
    void navigate({ to: ".", search: (old) => ({ ...old, tab: value ?? undefined }), replace: true });
  return (
    <Tabs value={chosen} onChange={choose} keepMounted={false}>
      <Tabs.List mb="md">
        <Tabs.Tab value="overview">Overview</Tabs.Tab>
        <Tabs.Tab value="access">Access</Tabs.Tab>
        <Tabs.Tab value="keys">Keys and sessions</Tabs.Tab>
        <Tabs.Tab value="changes">Changes</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="overview">
        <OverviewTab user={user} />
      </Tabs.Panel>
      <Tabs.Panel value="access">
        <AccessTab user={user} />
      </Tabs.Panel>
      <Tabs.Panel value="keys">
        <KeysTab user={user} />
      </Tabs.Panel>
      <Tabs.Panel value="changes">
        <ChangesPart query={changes} />
      </Tabs.Panel>
    </Tabs>
  );
}
