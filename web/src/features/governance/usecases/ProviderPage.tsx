import { Button } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState, type ReactElement } from "react";

import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { providerFrom } from "../shared/artifacts";
import { AsyncPart } from "../shared/AsyncPart";
import { artifactQuery } from "../shared/queries";
import { RemoveArtifact } from "../shared/RemoveArtifact";
import { Section } from "../shared/Section";
import { AtomTable } from "./AtomTable";

/** One provider: where access is asked for, and by which atoms. */
export default function ProviderPage(): ReactElement {
  const { id } = useParams({ from: "/shell/governance/use-cases/providers/$id" });
  const navigate = useNavigate();
  const query = useQuery(artifactQuery("providers", id));
  const [asking, setAsking] = useState(false);
  const found = query.data === undefined ? undefined : providerFrom(query.data);
  return (
    <>
      <PageHeader
        title={found?.name ?? id}
        crumbs={[
          <Link key="list" to="/governance/use-cases" search={{ tab: "providers" }}>
            Providers
          </Link>,
        ]}
        description={found === undefined ? undefined : `${found.id}, version ${found.version}`}
        actions={
          found !== undefined &&
          !found.shipped && (
            <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setAsking(true)}>
              Remove
            </Button>
          )
        }
      />
      <AsyncPart query={{ ...query, data: found }} failed="This provider cannot be shown">
        {(provider) => (
          <Section title="Atoms">
            <AtomTable atoms={provider.atoms.map((atom) => ({ ...atom, values: "" }))} />
          </Section>
        )}
      </AsyncPart>
      {asking && (
        <RemoveArtifact
          kind="providers"
          id={id}
          text="Its atoms go with it."
          forced="use cases keep the names of its atoms, and cannot be granted any more"
          onClose={() => setAsking(false)}
          onRemoved={() => navigate({ to: "/governance/use-cases", search: { tab: "providers" } })}
        />
      )}
    </>
  );
}
