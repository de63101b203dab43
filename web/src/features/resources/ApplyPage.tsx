import { Button, Group, Select, SimpleGrid, Stack } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useCallback, useRef, useState, type ReactElement } from "react";

import { answer, api } from "@/api/client";
import { problemsOf, type Problem } from "@/api/failure";
import { ErrorState } from "@/components/ErrorState";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { ProblemList } from "@/components/ProblemList";
import { Skeletons } from "@/components/Skeletons";
import { YamlEditor, type EditorHandle } from "@/components/YamlEditor";
import { AppliedList } from "./AppliedList";
import { Findings } from "./Findings";
import { PlanList } from "./PlanList";
import { resourceQuery } from "./queries";
import { toYaml } from "./yaml";

const NONE: Problem[] = [];
const START = "name: \nversion: v1\ntype: \n";

/** Write a manifest, see what applying it would do, apply it. */
export default function ApplyPage(): ReactElement {
  const { type = "", name = "", workspace = null } = useSearch({ from: "/shell/operations/apply" });
  const edits = type !== "" && name !== "";
  const { data, error, refetch } = useQuery({
    ...resourceQuery({ type, name, workspace }),
    enabled: edits,
    staleTime: Infinity,
  });
  return (
    <>
      <PageHeader
        title={edits ? `Edit ${name}` : "Apply a manifest"}
        crumbs={[
          <Link key="list" to="/operations/resources">
            Resources
          </Link>,
        ]}
        description="Plan shows what would change and stores nothing. Apply stores all documents, or none."
      />
      {error !== null && <ErrorState error={error} onRetry={() => void refetch()} />}
      {edits && data === undefined && error === null && <Skeletons />}
      {(!edits || data !== undefined) && (
        <Workshop
          key={`${type}/${name}/${workspace ?? ""}`}
          initial={data === undefined ? START : toYaml(data.manifest)}
          home={workspace}
        />
      )}
    </>
  );
}

function Workshop({ initial, home }: { initial: string; home: string | null }): ReactElement {
  const [text, setText] = useState(initial);
  const [workspace, setWorkspace] = useState<string | null>(home);
  const editor = useRef<EditorHandle>(null);
  const queries = useQueryClient();
  const spaces = useQuery({ queryKey: ["workspaces"], queryFn: () => answer(api.GET("/api/v1/workspaces")) });
  const body = { text, workspace };
  const plan = useMutation({ mutationFn: () => answer(api.POST("/api/v1/manifests/plan", { body })) });
  const apply = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/manifests/apply", { body })),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ["resources"] });
      void queries.invalidateQueries({ queryKey: ["resource"] });
    },
  });
  const { reset: forgetPlan } = plan;
  const { reset: forgetApply } = apply;
  const change = useCallback(
    (now: string): void => {
      setText(now);
      forgetPlan();
      forgetApply();
    },
    [forgetPlan, forgetApply],
  );
  const faults = faultsOf(plan.error ?? apply.error, plan.data?.items);
  const ask = (): void => {
    forgetApply();
    plan.mutate();
  };
  const store = (): void => {
    forgetPlan();
    apply.mutate();
  };
  const go = (problem: Problem): void => editor.current?.go(problem.line ?? 1, problem.column ?? 1);
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Stack gap="sm">
        <YamlEditor ref={editor} label="Manifest" initial={initial} onChange={change} problems={faults} />
        <Group justify="space-between">
          <Select
            aria-label="Workspace of documents that name none"
            placeholder="Workspace: public"
            data={(spaces.data?.items ?? []).map((w) => w.name)}
            value={workspace}
            onChange={setWorkspace}
            clearable
          />
          <Group gap="xs">
            <Button variant="default" loading={plan.isPending} onClick={ask}>
              Plan
            </Button>
            <Button loading={apply.isPending} onClick={store}>
              Apply
            </Button>
          </Group>
        </Group>
      </Stack>
      <Findings>
        {faults.length > 0 && <ProblemList problems={faults} onGo={go} />}
        {plan.data !== undefined && <PlanList items={plan.data.items} onGo={go} />}
        {apply.data !== undefined && <AppliedList items={apply.data.items} />}
      </Findings>
    </SimpleGrid>
  );
}

/** Faults of a refused call, or those that a plan found. */
function faultsOf(error: unknown, items: readonly { errors: Problem[] }[] | undefined): Problem[] {
  if (error !== null && error !== undefined) return problemsOf(error);
  return items === undefined ? NONE : items.flatMap((item) => item.errors);
}
