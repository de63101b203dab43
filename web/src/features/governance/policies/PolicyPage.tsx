import { Tabs } from "@mantine/core";
import { IconLockQuestion } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { Surface } from "@/components/Surface";
import { EventsTab } from "@/features/resources/EventsTab";
import { ManifestTab } from "@/features/resources/ManifestTab";
import { resourceQuery, type Resource } from "@/features/resources/queries";
import { AsyncPart } from "../shared/AsyncPart";
import { rulesQuery, type Rule } from "../shared/queries";
import { PolicyActions } from "./PolicyActions";
import { RuleParts } from "./RuleParts";

const TABS = ["overview", "manifest", "events"];
const HERE = "/shell/governance/policies/$name";

/** One policy: what it says, whom and what it concerns, its manifest. */
export default function PolicyPage(): ReactElement {
  const { name } = useParams({ from: HERE });
  const resource = useQuery(resourceQuery({ type: "policy", name, workspace: null }));
  const rules = useQuery(rulesQuery);
  const rule = rules.data?.find((one) => one.policy === name);
  const shipped = rule?.origin === "shipped";
  return (
    <>
      <PageHeader
        title={name}
        crumbs={[
          <Link key="list" to="/governance/policies">
            Policies
          </Link>,
        ]}
        description={shipped ? "Came with the installation" : resource.data && `Policy of layer ${resource.data.layer}`}
        actions={<PolicyActions name={name} rule={rule} resource={resource.data} known={rules.data !== undefined} />}
      />
      {shipped ? (
        <RuleParts rule={rule} />
      ) : (
        <AsyncPart query={resource} failed="This policy cannot be shown">
          {(found) => <Detail resource={found} rules={rules} rule={rule} />}
        </AsyncPart>
      )}
    </>
  );
}

interface DetailProps {
  resource: Resource;
  rules: { data: Rule[] | undefined; error: unknown; refetch: () => unknown };
  rule: Rule | undefined;
}

function Detail({ resource, rules, rule }: DetailProps): ReactElement {
  const { tab } = useSearch({ from: HERE });
  const navigate = useNavigate({ from: "/governance/policies/$name" });
  const chosen = tab !== undefined && TABS.includes(tab) ? tab : "overview";
  const choose = (value: string | null): void =>
    void navigate({ to: ".", search: (old) => ({ ...old, tab: value ?? undefined }), replace: true });
  return (
    <Tabs value={chosen} onChange={choose} keepMounted={false}>
      <Tabs.List mb="md">
        <Tabs.Tab value="overview">What it says</Tabs.Tab>
        <Tabs.Tab value="manifest">YAML</Tabs.Tab>
        <Tabs.Tab value="events">Events</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="overview">
        <AsyncPart query={rules} failed="What it says cannot be shown">
          {() =>
            rule === undefined ? (
              <EmptyState icon={<IconLockQuestion />} title="It is not in force">
                Its manifest says <code>isArchived</code>: nothing is decided by it until that is taken out.
              </EmptyState>
            ) : (
              <RuleParts rule={rule} />
            )
          }
        </AsyncPart>
      </Tabs.Panel>
      <Tabs.Panel value="manifest">
        <ManifestTab resource={resource} />
      </Tabs.Panel>
      <Tabs.Panel value="events">
        <Surface>
          <EventsTab resource={resource} />
        </Surface>
      </Tabs.Panel>
    </Tabs>
  );
}
