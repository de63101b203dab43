import { Button, Group, Stack } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useRef, useState, type ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { Link } from "@/components/Link";
import { PageHeader } from "@/components/PageHeader";
import { ProblemList } from "@/components/ProblemList";
import { YamlEditor, type EditorHandle } from "@/components/YamlEditor";
import { toast } from "@/lib/toasts";
import { readDocuments } from "../shared/documents";
import { createArtifact } from "../shared/queries";
import { TEMPLATES, type Made } from "./templates";

const LISTS = {
  "use-cases": { to: "/governance/use-cases", search: {}, label: "Use cases" },
  providers: { to: "/governance/use-cases", search: { tab: "providers" }, label: "Providers" },
  "tag-namespaces": { to: "/governance/roles", search: { tab: "namespaces" }, label: "Tag namespaces" },
} as const;

/** Write a use case, provider or tag namespace as YAML. */
export default function NewArtifactPage(): ReactElement {
  const { kind = "use-cases" } = useSearch({ from: "/shell/governance/new" });
  return <Workshop key={kind} kind={kind} />;
}

function Workshop({ kind }: { kind: Made }): ReactElement {
  const { title, text: start } = TEMPLATES[kind];
  const list = LISTS[kind];
  const [text, setText] = useState<string>(start);
  const editor = useRef<EditorHandle>(null);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const written = useMemo(() => readDocuments(text), [text]);
  const make = useMutation({
    mutationFn: async () => {
      for (const document of written.documents) await createArtifact(kind, document);
    },
    onSuccess: () => {
      toast(written.documents.length === 1 ? "It is added" : `${written.documents.length} are added`);
      void navigate({ to: list.to, search: list.search });
    },
    // those before one that was refused are there
    onSettled: () => void queries.invalidateQueries({ queryKey: ["governance"] }),
  });
  const faults = useMemo(
    () => (make.error !== null ? problemsOf(make.error).map(written.place) : written.faults),
    [make.error, written],
  );
  const change = (now: string): void => {
    setText(now);
    if (make.isError) make.reset();
  };
  return (
    <>
      <PageHeader
        title={title}
        crumbs={[
          <Link key="list" to={list.to} search={list.search}>
            {list.label}
          </Link>,
        ]}
        description="As YAML. To change one later, remove it and add it anew."
      />
      <Stack maw={900}>
        <YamlEditor ref={editor} label="YAML" initial={start} onChange={change} problems={faults} />
        {faults.length > 0 && (
          <div role="alert">
            <ProblemList
              problems={faults}
              onGo={(problem) => editor.current?.go(problem.line ?? 1, problem.column ?? 1)}
            />
          </div>
        )}
        <Group justify="flex-end">
          <Button
            loading={make.isPending}
            disabled={written.faults.length > 0 || written.documents.length === 0}
            onClick={() => make.mutate()}
          >
            Add
          </Button>
        </Group>
      </Stack>
    </>
  );
}
