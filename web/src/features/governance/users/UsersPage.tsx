import { Button, Group } from "@mantine/core";
import { IconFilterOff, IconUserPlus, IconUsers } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState, type ReactElement } from "react";

import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { FilterMenu } from "@/components/FilterMenu";
import { PageHeader } from "@/components/PageHeader";
import { SearchBox } from "@/components/SearchBox";
import { countsOf } from "@/lib/counting";
import type { UsersSearch } from "../routes";
import { AsyncPart } from "../shared/AsyncPart";
import { hasOne, says } from "../shared/filtering";
import { usersQuery, type User } from "../shared/queries";
import { rolesIn } from "../shared/subjects";
import { USER_COLUMNS } from "./columns";
import { NewUserDialog } from "./NewUserDialog";

const FILTERS: readonly { key: "type" | "state" | "role"; label: string; of: (user: User) => string[] }[] = [
  { key: "type", label: "Type", of: (u) => [u.type] },
  { key: "state", label: "State", of: (u) => [u.state] },
  { key: "role", label: "Role", of: (u) => rolesIn(u.tags) },
];

/** Governance > Users: persons and applications. */
export default function UsersPage(): ReactElement {
  const search = useSearch({ from: "/shell/governance/users" });
  const navigate = useNavigate({ from: "/governance/users" });
  const query = useQuery(usersQuery);
  const [making, setMaking] = useState(false);
  const change = (part: UsersSearch): void => void navigate({ search: { ...search, ...part }, replace: true });
  const shown = (query.data ?? []).filter(
    (user) =>
      says(search.q, user.id, user.name, user.email, ...user.tags) &&
      FILTERS.every(({ key, of }) => hasOne(search[key], ...of(user))),
  );
  return (
    <>
      <PageHeader
        title="Users"
        description={
          query.data === undefined
            ? "Persons and applications"
            : `${shown.length} of ${query.data.length} persons and applications`
        }
        actions={
          <Button leftSection={<IconUserPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
            Add user
          </Button>
        }
      />
      <Group gap="xs" mb="md">
        <SearchBox
          label="Search names and tags"
          value={search.q ?? ""}
          onChange={(q) => change({ q: q === "" ? undefined : q })}
        />
        {FILTERS.map(({ key, label, of }) => (
          <FilterMenu
            key={key}
            label={label}
            options={countsOf(query.data ?? [], of)}
            chosen={search[key] ?? []}
            onChange={(chosen) => change({ [key]: chosen.length > 0 ? chosen : undefined })}
          />
        ))}
      </Group>
      <AsyncPart query={query} failed="Users cannot be shown" rows={8}>
        {(users) =>
          shown.length > 0 ? (
            <DataTable label="Users" rows={shown} columns={USER_COLUMNS} idOf={(user) => user.id} />
          ) : users.length > 0 ? (
            <EmptyState
              icon={<IconFilterOff />}
              title="Nobody matches"
              action={
                <Button variant="default" onClick={() => void navigate({ search: {}, replace: true })}>
                  Clear search and filters
                </Button>
              }
            />
          ) : (
            <EmptyState icon={<IconUsers />} title="There are no users">
              Add the first one here.
            </EmptyState>
          )
        }
      </AsyncPart>
      <NewUserDialog opened={making} onClose={() => setMaking(false)} />
    </>
  );
}
