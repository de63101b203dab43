import { Code, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { DescriptionList } from "@/components/DescriptionList";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { RelativeTime } from "@/components/RelativeTime";
import { StatusBadge } from "@/components/StatusBadge";
import { AsyncPart } from "../shared/AsyncPart";
import type { Grant } from "../shared/queries";
import { Section } from "../shared/Section";
import { TagList } from "../shared/TagList";
import { tagOfUser } from "../shared/subjects";
import { DecideForm } from "./DecideForm";
import { EndGrant } from "./EndGrant";
import { grantQuery } from "./queries";

/** One grant or request: what it gives to whom, and the decision. */
export default function GrantPage(): ReactElement {
  const { id } = useParams({ from: "/shell/governance/grants/$id" });
  const query = useQuery(grantQuery(id));
  return (
    <>
      <PageHeader
        title={query.data?.policy_use_case_id ?? id}
        crumbs={[
          <Link key="list" to="/governance/grants">
            Grants
          </Link>,
        ]}
        description={query.data?.state === "requested" ? "Grant request" : "Grant"}
        actions={
          query.data !== undefined && (
            <>
              <StatusBadge state={query.data.state} />
              <EndGrant grant={query.data} />
            </>
          )
        }
      />
      <AsyncPart query={query} failed="This grant cannot be shown">
        {(grant) => <Parts grant={grant} />}
      </AsyncPart>
    </>
  );
}

function Parts({ grant }: { grant: Grant }): ReactElement {
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Stack>
        <Section title="What is given">
          <DescriptionList
            items={[
              [
                "Use case",
                <Link key="case" to="/governance/use-cases/$id" params={{ id: grant.policy_use_case_id }}>
                  {grant.policy_use_case_id}
                </Link>,
              ],
              ["For", <TagList key="for" tags={grant.subjects} />],
              ["Why", grant.notes],
              ["Ends", grant.expires === null ? "never" : <RelativeTime key="ends" at={grant.expires} />],
            ]}
          />
        </Section>
        <Section title="To what">
          {grant.values.length === 0 ? (
            <Text c="dimmed">The use case says all of it: no variable is open.</Text>
          ) : (
            <Table verticalSpacing="xs" aria-label="To what">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Atom</Table.Th>
                  <Table.Th>Values</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {grant.values.map((one) => {
                  const pairs = Object.entries(one.variables).map(([name, value]) => `${name}: ${value}`);
                  return (
                    <Table.Tr key={`${one.atom ?? ""} ${pairs.join()}`}>
                      <Table.Td>{one.atom ?? "every atom that has these"}</Table.Td>
                      <Table.Td>
                        <Code>{pairs.join(", ")}</Code>
                      </Table.Td>
                    </Table.Tr>
                  );
                })}
              </Table.Tbody>
            </Table>
          )}
        </Section>
      </Stack>
      <Stack>
        {grant.state === "requested" && <DecideForm grant={grant} />}
        <Section title="How it came">
          <DescriptionList
            items={[
              ["Requester", <TagList key="requester" tags={[tagOfUser(grant.requester)]} />],
              ["Filed by", grant.creator],
              ["Filed", <RelativeTime key="created" at={grant.created} />],
              ["Source", grant.source],
              ["Decided by", grant.decision],
              ["Decided", grant.decided === null ? null : <RelativeTime key="decided" at={grant.decided} />],
              ["Reason", grant.reason],
              ["Request id", grant.id],
              ["Grant id", grant.grant_id],
            ]}
          />
        </Section>
      </Stack>
    </SimpleGrid>
  );
}
