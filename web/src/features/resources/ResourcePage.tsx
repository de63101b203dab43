import { Button, Tabs } from "@mantine/core";
import { IconPencil, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useState, type ReactElement } from "react";

import { ConfirmDialog } from "@/components/ConfirmDialog";
import { ErrorState } from "@/components/ErrorState";
import { Link } from "@/components/Link";
import { LinkButton } from "@/components/LinkButton";
import { PageHeader } from "@/components/PageHeader";
import { Skeletons } from "@/components/Skeletons";
import { StatusBadge } from "@/components/StatusBadge";
import { Surface } from "@/components/Surface";
import { toast } from "@/lib/toasts";
import { EventsTab } from "./EventsTab";
import { ManifestTab } from "./ManifestTab";
import { OverviewTab } from "./OverviewTab";
import { deleteResource, resourceQuery, resourcesQuery, type Resource } from "./queries";
import { RuntimeTab } from "./RuntimeTab";

const TABS = ["overview", "manifest", "runtime", "events"];
const HERE = "/shell/operations/resources/$type/$name";

/** One Resource. */
export default function ResourcePage(): ReactElement {
  const { type, name } = useParams({ from: HERE });
  const { workspace = null } = useSearch({ from: HERE });
  const { data, isError, error, refetch } = useQuery(resourceQuery({ type, name, workspace }));
  const crumbs = [
    <Link key="list" to="/operations/resources">
      Resources
    </Link>,
  ];
  return (
    <>
      <PageHeader
        title={name}
        crumbs={crumbs}
        description={`${type}${workspace === null ? "" : ` in ${workspace}`}`}
        actions={data !== undefined && <Actions resource={data} />}
      />
      {data === undefined && !isError && <Skeletons />}
      {isError && <ErrorState error={error} title="This Resource cannot be shown" onRetry={() => void refetch()} />}
      {data !== undefined && <Detail resource={data} />}
    </>
  );
}

function Detail({ resource }: { resource: Resource }): ReactElement {
  const { tab } = useSearch({ from: HERE });
  const navigate = useNavigate();
  const chosen = tab !== undefined && TABS.includes(tab) ? tab : "overview";
  const choose = (value: string | null): void =>
    void navigate({ to: ".", search: (old) => ({ ...old, tab: value ?? undefined }), replace: true });
  return (
    <Tabs value={chosen} onChange={choose} keepMounted={false}>
      <Tabs.List mb="md">
        <Tabs.Tab value="overview">Overview</Tabs.Tab>
        <Tabs.Tab value="manifest">YAML</Tabs.Tab>
        <Tabs.Tab value="runtime">Runtime</Tabs.Tab>
        <Tabs.Tab value="events">Events</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="overview">
        <OverviewTab resource={resource} />
      </Tabs.Panel>
      <Tabs.Panel value="manifest">
        <ManifestTab resource={resource} />
      </Tabs.Panel>
      <Tabs.Panel value="runtime">
        <Surface>
          <RuntimeTab resource={resource} />
        </Surface>
      </Tabs.Panel>
      <Tabs.Panel value="events">
        <Surface>
          <EventsTab resource={resource} />
        </Surface>
      </Tabs.Panel>
    </Tabs>
  );
}

function Actions({ resource }: { resource: Resource }): ReactElement {
  const [asking, setAsking] = useState(false);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { type, name, workspace } = resource;
  const remove = useMutation({
    mutationFn: () => deleteResource({ type, name, workspace }),
    onSuccess: ({ result }) => {
      toast(result === "deleted" ? `${name} is deleted` : `${name} is being deleted`);
      void queries.invalidateQueries({ queryKey: resourcesQuery.queryKey });
      void navigate({ to: "/operations/resources" });
    },
  });
  return (
    <>
      <StatusBadge state={resource.status} />
      {type === "workflow" && workspace !== null && (
        <LinkButton to="/operations/workflows/$workspace/$name" params={{ workspace, name }} variant="default">
          Runs and logs
        </LinkButton>
      )}
      <LinkButton
        to="/operations/apply"
        search={{ type, name, workspace: workspace ?? undefined }}
        variant="default"
        leftSection={<IconPencil size={16} aria-hidden />}
      >
        Edit
      </LinkButton>
      <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setAsking(true)}>
        Delete
      </Button>
      <ConfirmDialog
        opened={asking}
        title={`Delete ${name}?`}
        action="Delete"
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
        onClose={() => setAsking(false)}
      >
        The {type} goes with what the platform made for it. It is refused while something depends on it. Within the time
        that deleted Resources are kept, <code>dataos resource rollback</code> brings it back, but for secret values.
      </ConfirmDialog>
    </>
  );
}
