import { Button, Stack, Text } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState, type ReactElement } from "react";

import { DataTable } from "@/components/DataTable";
import { Link } from "@/components/Link";
import { LinkButton } from "@/components/LinkButton";
import { PageHeader } from "@/components/PageHeader";
import { providerFrom, caseFrom, type UseCase } from "../shared/artifacts";
import { AsyncPart } from "../shared/AsyncPart";
import { GRANT_COLUMNS } from "../shared/GrantColumns";
import { artifactQuery, artifactsQuery, grantsQuery } from "../shared/queries";
import { RemoveArtifact } from "../shared/RemoveArtifact";
import { Section } from "../shared/Section";
import { AtomTable, type Bound } from "./AtomTable";

/** One use case: its atoms, and to whom it is granted. */
export default function UseCasePage(): ReactElement {
  const { id } = useParams({ from: "/shell/governance/use-cases/$id" });
  const navigate = useNavigate();
  const query = useQuery(artifactQuery("use-cases", id));
  const [asking, setAsking] = useState(false);
  const found = query.data === undefined ? undefined : caseFrom(query.data);
  return (
    <>
      <PageHeader
        title={found?.name ?? id}
        crumbs={[
          <Link key="list" to="/governance/use-cases">
            Use cases
          </Link>,
        ]}
        description={found === undefined ? undefined : [found.id, found.description].filter(Boolean).join(": ")}
        actions={
          <>
            <LinkButton
              to="/governance/grants/new"
              search={{ useCase: id }}
              leftSection={<IconPlus size={16} aria-hidden />}
            >
              Request it
            </LinkButton>
            {found !== undefined && !found.shipped && (
              <Button
                variant="default"
                leftSection={<IconTrash size={16} aria-hidden />}
                onClick={() => setAsking(true)}
              >
                Remove
              </Button>
            )}
          </>
        }
      />
      <AsyncPart query={{ ...query, data: found }} failed="This use case cannot be shown">
        {(useCase) => <Detail useCase={useCase} />}
      </AsyncPart>
      {asking && (
        <RemoveArtifact
          kind="use-cases"
          id={id}
          text="Nobody can be granted it any more."
          forced="its grants end"
          onClose={() => setAsking(false)}
          onRemoved={() => navigate({ to: "/governance/use-cases" })}
        />
      )}
    </>
  );
}

function Detail({ useCase }: { useCase: UseCase }): ReactElement {
  const providers = useQuery(artifactsQuery("providers"));
  const grants = useQuery(grantsQuery);
  return (
    <Stack>
      <Section title="Atoms">
        <AsyncPart query={providers} failed="Atoms cannot be shown">
          {(all) => {
            const atoms = atomsOf(
              useCase,
              all.map(providerFrom).flatMap((provider) => provider.atoms.map((atom) => ({ ...atom, values: "" }))),
            );
            if (atoms.length > 0) return <AtomTable atoms={atoms} />;
            return <Text c="dimmed">It has none yet: it can be granted, and opens nothing.</Text>;
          }}
        </AsyncPart>
      </Section>
      <Section title="Grants">
        <AsyncPart query={grants} failed="Grants cannot be shown">
          {(all) => {
            const found = all.filter((grant) => grant.policy_use_case_id === useCase.id);
            if (found.length === 0) return <Text c="dimmed">Nobody has it, and nobody asks for it.</Text>;
            return <DataTable label="Grants" rows={found} columns={GRANT_COLUMNS} idOf={(grant) => grant.id} />;
          }}
        </AsyncPart>
      </Section>
    </Stack>
  );
}

/** The use case's atoms with the values that it gives their variables. */
function atomsOf(useCase: UseCase, known: readonly Bound[]): Bound[] {
  return useCase.atoms.flatMap((id) => {
    const sets = useCase.values.filter((entry) => entry.atom === id).flatMap((entry) => entry.sets);
    const values = sets.map((set) =>
      Object.entries(set)
        .map(([name, value]) => `${name}: ${value}`)
        .join(", "),
    );
    return known.filter((atom) => atom.id === id).map((atom) => ({ ...atom, values: values.join("; ") }));
  });
}
