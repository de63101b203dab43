import { Button, Group, MultiSelect, SimpleGrid, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useRef, useState, type ReactElement } from "react";

import { answer, api } from "@/api/client";
import { problemsOf, type Problem } from "@/api/failure";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { ProblemList } from "@/components/ProblemList";
import { Surface } from "@/components/Surface";
import { YamlEditor, type EditorHandle } from "@/components/YamlEditor";
import { AppliedList } from "@/features/resources/AppliedList";
import { resourceQuery } from "@/features/resources/queries";
import { toYaml } from "@/features/resources/yaml";
import { AsyncPart } from "../shared/AsyncPart";
import { readDocuments } from "../shared/documents";
import { Effects } from "./Effects";
import { policyResourcesQuery, simulate } from "./queries";

const START = `name: new-policy
version: v1
type: policy
layer: user
policy:
  access:
    subjects:
      tags: ["roles:id:data-dev"]
    predicates: [read, select]
    objects:
      paths: ["dataos://lakehouse:retail/*"]
    allow: true
`;

/** Governance > Simulate: write policies, see who would gain and lose what, apply them. */
export default function SimulatePage(): ReactElement {
  const { policy } = useSearch({ from: "/shell/governance/simulate" });
  const query = useQuery({
    ...resourceQuery({ type: "policy", name: policy ?? "", workspace: null }),
    enabled: policy !== undefined,
  });
  return (
    <>
      <PageHeader
        title={policy === undefined ? "Simulate" : `Edit ${policy}`}
        crumbs={
          policy === undefined
            ? []
            : [
                <Link key="policy" to="/governance/policies/$name" params={{ name: policy }}>
                  {policy}
                </Link>,
              ]
        }
        description="Who would gain and lose what if these policies were in force, by the statements that were really asked. Nothing is stored until you apply."
      />
      {policy === undefined ? (
        <Workshop initial={START} />
      ) : (
        <AsyncPart query={query} failed="This policy cannot be edited">
          {(resource) => <Workshop key={policy} initial={toYaml(resource.manifest)} />}
        </AsyncPart>
      )}
    </>
  );
}

function Workshop({ initial }: { initial: string }): ReactElement {
  const [start] = useState(initial); // what is typed stays when the stored policy changes
  const [text, setText] = useState(start);
  const [gone, setGone] = useState<string[]>([]);
  const editor = useRef<EditorHandle>(null);
  const queries = useQueryClient();
  const policies = useQuery(policyResourcesQuery);
  const written = useMemo(() => readDocuments(text), [text]);
  const ask = useMutation({ mutationFn: () => simulate(written.documents, gone) });
  const apply = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/manifests/apply", { body: { text, workspace: null } })),
    onSuccess: () => {
      for (const word of ["policies", "resources", "resource"]) void queries.invalidateQueries({ queryKey: [word] });
    },
  });
  const { reset: forgetAsked } = ask;
  const { reset: forgetApplied } = apply;
  const change = useCallback(
    (now: string): void => {
      setText(now);
      forgetAsked();
      forgetApplied();
    },
    [forgetAsked, forgetApplied],
  );
  const failed = ask.error ?? apply.error;
  const faults = useMemo(
    () => (failed !== null ? problemsOf(failed).map(written.place) : written.faults),
    [failed, written],
  );
  const go = (problem: Problem): void => editor.current?.go(problem.line ?? 1, problem.column ?? 1);
  const nothing = written.documents.length === 0;
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Stack gap="sm">
        <YamlEditor ref={editor} label="Policies" initial={start} onChange={change} problems={faults} />
        <MultiSelect
          label="And without these policies"
          data={(policies.data ?? []).map((policy) => policy.name)}
          value={gone}
          onChange={(names) => {
            setGone(names);
            forgetAsked();
          }}
          searchable
          clearable
        />
        <Group justify="flex-end" gap="xs">
          <Button
            variant="default"
            loading={ask.isPending}
            disabled={written.faults.length > 0 || (nothing && gone.length === 0)}
            onClick={() => {
              forgetApplied();
              ask.mutate();
            }}
          >
            Simulate
          </Button>
          <Button loading={apply.isPending} disabled={nothing} onClick={() => apply.mutate()}>
            Apply
          </Button>
        </Group>
        {gone.length > 0 && (
          <Text size="sm" c="dimmed">
            Apply stores what is written above; to delete a policy go to its page.
          </Text>
        )}
      </Stack>
      <Surface label="Outcome">
        <Stack gap="sm" aria-live="polite">
          {faults.length > 0 && <ProblemList problems={faults} onGo={go} />}
          {ask.data !== undefined && <Effects found={ask.data} />}
          {apply.data !== undefined && <AppliedList items={apply.data.items} />}
          {faults.length === 0 && ask.data === undefined && apply.data === undefined && (
            <Text c="dimmed">
              Simulate first: who gains access, who loses it, and whose rows and columns look otherwise stand here.
            </Text>
          )}
        </Stack>
      </Surface>
    </SimpleGrid>
  );
}
