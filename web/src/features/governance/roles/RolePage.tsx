import { Button, SimpleGrid, Stack, Text } from "@mantine/core";
import { IconPlus, IconTrash, IconUsersGroup } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState, type ReactElement } from "react";

import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Link } from "@/components/Link";
import { LinkButton } from "@/components/LinkButton";
import { PageHeader } from "@/components/PageHeader";
import { RULE_COLUMNS } from "../policies/columns";
import { AsyncPart } from "../shared/AsyncPart";
import { ChangesPart } from "../shared/ChangesPart";
import { GRANT_COLUMNS } from "../shared/GrantColumns";
import { grantsQuery, rulesQuery } from "../shared/queries";
import { RemoveArtifact } from "../shared/RemoveArtifact";
import { Section } from "../shared/Section";
import { tagOfRole } from "../shared/subjects";
import { MembersPart } from "./MembersPart";
import { roleChangesQuery, rolesQuery, type Role } from "./queries";

/** One role: who has it, and what grants and policies give it. */
export default function RolePage(): ReactElement {
  const { id } = useParams({ from: "/shell/governance/roles/$id" });
  const navigate = useNavigate();
  const query = useQuery(rolesQuery);
  const [asking, setAsking] = useState(false);
  const role = query.data?.find((one) => one.id === id);
  return (
    <>
      <PageHeader
        title={role?.name ?? id}
        crumbs={[
          <Link key="list" to="/governance/roles">
            Roles
          </Link>,
        ]}
        description={role?.description}
        actions={
          role !== undefined && (
            <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setAsking(true)}>
              Remove
            </Button>
          )
        }
      />
      <AsyncPart query={query} failed="This role cannot be shown">
        {() => (role === undefined ? <Missing id={id} /> : <Detail role={role} />)}
      </AsyncPart>
      {asking && (
        <RemoveArtifact
          kind="roles"
          id={id}
          text="The role goes for good. Policies and grants that name its tag find nobody by it any more."
          forced="users keep the tag, which is no role then"
          onClose={() => setAsking(false)}
          onRemoved={() => navigate({ to: "/governance/roles" })}
        />
      )}
    </>
  );
}

function Missing({ id }: { id: string }): ReactElement {
  return (
    <EmptyState icon={<IconUsersGroup />} title="There is no such role">
      The tag <code>{tagOfRole(id)}</code> may be somebody&apos;s all the same: a role that was removed leaves it.
    </EmptyState>
  );
}

function Detail({ role }: { role: Role }): ReactElement {
  const grants = useQuery(grantsQuery);
  const rules = useQuery(rulesQuery);
  const changes = useQuery(roleChangesQuery(role.id));
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <MembersPart role={role} />
        <ChangesPart query={changes} />
      </SimpleGrid>
      <Section
        title="Grants"
        actions={
          <LinkButton
            to="/governance/grants/new"
            search={{ subject: role.tag }}
            variant="default"
            leftSection={<IconPlus size={16} aria-hidden />}
          >
            Request a grant
          </LinkButton>
        }
      >
        <AsyncPart query={grants} failed="Grants cannot be shown">
          {(all) => {
            const found = all.filter((grant) => grant.subjects.includes(role.tag));
            if (found.length === 0) return <Text c="dimmed">No grant that you may see names this role.</Text>;
            return <DataTable label="Grants" rows={found} columns={GRANT_COLUMNS} idOf={(grant) => grant.id} />;
          }}
        </AsyncPart>
      </Section>
      <Section title="Policies that name it">
        <AsyncPart query={rules} failed="Policies cannot be shown">
          {(all) => {
            const found = all.filter((rule) => rule.subjects.some((group) => group.includes(role.tag)));
            if (found.length === 0) return <Text c="dimmed">No policy names this role.</Text>;
            return <DataTable label="Policies" rows={found} columns={RULE_COLUMNS} idOf={(rule) => rule.policy} />;
          }}
        </AsyncPart>
      </Section>
    </Stack>
  );
}
