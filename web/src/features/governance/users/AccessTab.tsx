import { Stack, Text } from "@mantine/core";
import { IconLockQuestion, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { LinkButton } from "@/components/LinkButton";
import { AsyncPart } from "../shared/AsyncPart";
import { GRANT_COLUMNS } from "../shared/GrantColumns";
import { grantsOfQuery, rulesOfQuery, type User } from "../shared/queries";
import { Section } from "../shared/Section";
import { tagOfUser } from "../shared/subjects";
import { RULE_COLUMNS } from "../policies/columns";

/** Grants and policies that name a user or one of its tags. */
export function AccessTab({ user }: { user: User }): ReactElement {
  const grants = useQuery(grantsOfQuery(user.id));
  const rules = useQuery(rulesOfQuery(user.id));
  return (
    <Stack>
      <Section
        title="Grants"
        actions={
          <LinkButton
            to="/governance/grants/new"
            search={{ subject: tagOfUser(user.id) }}
            variant="default"
            leftSection={<IconPlus size={16} aria-hidden />}
          >
            Request a grant
          </LinkButton>
        }
      >
        <AsyncPart query={grants} failed="Grants cannot be shown">
          {(found) =>
            found.length === 0 ? (
              <Text c="dimmed">No grant names this user or one of its tags.</Text>
            ) : (
              <DataTable label="Grants" rows={found} columns={GRANT_COLUMNS} idOf={(grant) => grant.id} />
            )
          }
        </AsyncPart>
      </Section>
      <Section
        title="Policies"
        actions={
          <LinkButton
            to="/governance/explain"
            search={{ user: user.id }}
            variant="default"
            leftSection={<IconLockQuestion size={16} aria-hidden />}
          >
            What may {user.name} do?
          </LinkButton>
        }
      >
        <AsyncPart query={rules} failed="Policies cannot be shown">
          {(found) =>
            found.length === 0 ? (
              <EmptyState icon={<IconLockQuestion />} title="No policy concerns this user">
                What no policy and no grant allows is refused.
              </EmptyState>
            ) : (
              <DataTable label="Policies" rows={found} columns={RULE_COLUMNS} idOf={(rule) => rule.policy} />
            )
          }
        </AsyncPart>
      </Section>
    </Stack>
  );
}
