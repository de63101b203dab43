import { Button, Group, Tabs } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState, type ReactElement } from "react";

import { LinkButton } from "@/components/LinkButton";
import { PageHeader } from "@/components/PageHeader";
import { SearchBox } from "@/components/SearchBox";
import { countsOf } from "@/lib/counting";
import { namespaceFrom } from "../shared/artifacts";
import { AsyncPart } from "../shared/AsyncPart";
import { says } from "../shared/filtering";
import { FilteredTable } from "../shared/FilteredTable";
import { artifactsQuery, usersQuery } from "../shared/queries";
import { RemoveArtifact } from "../shared/RemoveArtifact";
import { rolesIn } from "../shared/subjects";
import { namespaceColumns, roleColumns } from "./columns";
import { NewRoleDialog } from "./NewRoleDialog";
import { rolesQuery } from "./queries";

/** Governance > Roles: tags that people share, and the namespaces that tags belong to. */
export default function RolesPage(): ReactElement {
  const { q, tab } = useSearch({ from: "/shell/governance/roles" });
  const navigate = useNavigate({ from: "/governance/roles" });
  const [making, setMaking] = useState(false);
  const chosen = tab === "namespaces" ? tab : "roles";
  return (
    <>
      <PageHeader
        title="Roles"
        description="A role is a tag that users have in common. The engine knows only tags of a namespace."
        actions={
          chosen === "roles" ? (
            <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
              Add role
            </Button>
          ) : (
            <LinkButton
              to="/governance/new"
              search={{ kind: "tag-namespaces" }}
              leftSection={<IconPlus size={16} aria-hidden />}
            >
              Add namespace
            </LinkButton>
          )
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
          <Tabs.Tab value="roles">Roles</Tabs.Tab>
          <Tabs.Tab value="namespaces">Tag namespaces</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="roles">
          <RoleList q={q} />
        </Tabs.Panel>
        <Tabs.Panel value="namespaces">
          <NamespaceList q={q} />
        </Tabs.Panel>
      </Tabs>
      <NewRoleDialog opened={making} onClose={() => setMaking(false)} />
    </>
  );
}

function RoleList({ q }: { q: string | undefined }): ReactElement {
  const query = useQuery(rolesQuery);
  const users = useQuery(usersQuery);
  const columns = useMemo(
    () => roleColumns(new Map(countsOf(users.data ?? [], (user) => rolesIn(user.tags)))),
    [users.data],
  );
  return (
    <AsyncPart query={query} failed="Roles cannot be shown" rows={8}>
      {(roles) => (
        <FilteredTable
          label="Roles"
          rows={roles.filter((role) => says(q, role.id, role.name, role.description))}
          columns={columns}
          idOf={(role) => role.id}
        />
      )}
    </AsyncPart>
  );
}

function NamespaceList({ q }: { q: string | undefined }): ReactElement {
  const query = useQuery(artifactsQuery("tag-namespaces"));
  const [ending, setEnding] = useState<string | null>(null);
  const [columns] = useState(() => namespaceColumns(setEnding));
  return (
    <>
      <AsyncPart query={query} failed="Tag namespaces cannot be shown" rows={8}>
        {(found) => (
          <FilteredTable
            label="Tag namespaces"
            rows={found.map(namespaceFrom).filter((one) => says(q, one.id, one.glob, one.description))}
            columns={columns}
            idOf={(one) => one.id}
          />
        )}
      </AsyncPart>
      {ending !== null && (
        <RemoveArtifact
          kind="tag-namespaces"
          id={ending}
          text="Its tags count no more, where no other namespace has them. This cannot be taken back."
          forced="users keep its tags, and no policy finds them"
          onClose={() => setEnding(null)}
          onRemoved={() => {
            setEnding(null);
            return Promise.resolve();
          }}
        />
      )}
    </>
  );
}
