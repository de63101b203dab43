import { SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { useMe } from "@/app/me";
import { DescriptionList } from "@/components/DescriptionList";
import { Link } from "@/components/Link";
import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import type { User } from "../shared/queries";
import { Section } from "../shared/Section";
import { PropertiesPart } from "./PropertiesPart";
import { lastActQuery } from "./queries";
import { TagsPart } from "./TagsPart";

/** Who a user is, and the tags by which policies know it. */
export function OverviewTab({ user }: { user: User }): ReactElement {
  const provider =
    user.federated_user_id === null ? "" : `${user.federated_connector_id ?? ""} ${user.federated_user_id}`;
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Stack>
        <Section title="Account">
          <DescriptionList
            items={[
              ["Name", user.name],
              ["User id", user.id],
              ["Type", user.type],
              ["E-mail", user.email],
              ["State", <StatusBadge key="state" state={user.state} />],
              ["Here since", <RelativeTime key="created" at={user.created} />],
              ["Last seen", <LastSeen key="last" user={user.id} />],
              ["At the login provider", provider],
            ]}
          />
        </Section>
        <PropertiesPart user={user} />
      </Stack>
      <TagsPart user={user} />
    </SimpleGrid>
  );
}

/** The newest thing that the audit says of a user. */
function LastSeen({ user }: { user: string }): ReactElement {
  const me = useMe();
  // asked only where it is answered: each refused call is a row of the audit
  const shown = me.user.id === user || me.may.has("read-audit");
  const { data, error } = useQuery({ ...lastActQuery(user), enabled: shown });
  if (!shown) return <Text c="dimmed">only who may read the audit sees it</Text>;
  if (error !== null) return <Text c="dimmed">not known: {problemsOf(error)[0]?.message}</Text>;
  if (data === undefined) return <Text c="dimmed">…</Text>;
  if (data === null) return <Text c="dimmed">the audit has nothing of this user</Text>;
  return (
    <>
      <RelativeTime at={data.at} />:{" "}
      <Link to="/governance/audit" search={{ actor: user }} underline="always">
        {data.action}
      </Link>
    </>
  );
}
