import { Autocomplete, Button, Group, Select, Stack, Switch, TagsInput, Text, Textarea } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { problemsOf } from "@/api/failure";
import { useMe } from "@/app/me";
import { ProblemList } from "@/components/ProblemList";
import { Surface } from "@/components/Surface";
import { toast } from "@/lib/toasts";
import { rolesQuery } from "../roles/queries";
import type { Atom, UseCase } from "../shared/artifacts";
import { usersQuery } from "../shared/queries";
import { tagOfUser } from "../shared/subjects";
import { openLines, valuesFrom, type Line } from "../shared/variables";
import { useOutdate } from "../shared/useOutdate";
import { endOf, LASTING } from "./lasting";
import { fileGrant } from "./queries";
import { ValueLines } from "./ValueLines";

interface Props {
  useCases: readonly UseCase[];
  atoms: readonly Atom[];
  initial: { useCase: string; subjects: string[] };
}

/** The request as one fills it in. */
export function RequestForm({ useCases, atoms, initial }: Props): ReactElement {
  const me = useMe();
  const outdate = useOutdate();
  const navigate = useNavigate();
  const users = useQuery(usersQuery);
  const roles = useQuery(rolesQuery);
  const linesOf = (id: string): Line[] => {
    const found = useCases.find((one) => one.id === id);
    return found === undefined ? [] : openLines(found, atoms);
  };
  const [useCase, setUseCase] = useState(initial.useCase);
  const [subjects, setSubjects] = useState(initial.subjects);
  const [lines, setLines] = useState(() => linesOf(initial.useCase));
  const [notes, setNotes] = useState("");
  const [hours, setHours] = useState("");
  const [approve, setApprove] = useState(false);
  const file = useMutation({
    mutationFn: () =>
      fileGrant({
        policy_use_case_id: useCase.trim(),
        subjects,
        values: valuesFrom(lines),
        notes: notes.trim(),
        expires: endOf(hours, new Date()),
        approve,
      }),
    onSuccess: (made) => {
      toast(made.state === "approved" ? `${made.policy_use_case_id} is granted` : "The request is filed");
      outdate();
      void navigate({ to: "/governance/grants/$id", params: { id: made.id } });
    },
  });
  const choose = (id: string): void => {
    setUseCase(id);
    setLines(linesOf(id));
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    file.mutate();
  };
  const chosen = useCases.find((one) => one.id === useCase);
  return (
    <Surface label="Request">
      <form onSubmit={submit}>
        <Stack maw={760}>
          <Autocomplete
            label="Use case"
            required
            description={chosen?.name}
            data={useCases.map((one) => one.id)}
            value={useCase}
            onChange={choose}
            limit={50}
          />
          <TagsInput
            label="For"
            description="Tags of users and roles: users:id:…, roles:id:…"
            data={[
              ...(users.data ?? []).map((user) => tagOfUser(user.id)),
              ...(roles.data ?? []).map((role) => role.tag),
            ]}
            value={subjects}
            onChange={setSubjects}
          />
          <ValueLines lines={lines} onChange={setLines} />
          <Textarea
            label="Why"
            description="Whoever decides reads it"
            autosize
            minRows={2}
            maxLength={4000}
            value={notes}
            onChange={(event) => setNotes(event.currentTarget.value)}
          />
          <Select
            label="Ends after"
            data={[{ value: "", label: "Never" }, ...LASTING]}
            value={hours}
            allowDeselect={false}
            onChange={(value) => setHours(value ?? "")}
            w={220}
          />
          {me.may.has("manage-governance-primitives") && (
            <Switch
              label="Approve it at once"
              checked={approve}
              onChange={(event) => setApprove(event.currentTarget.checked)}
            />
          )}
          {file.isError && (
            <div role="alert">
              <ProblemList problems={problemsOf(file.error)} />
            </div>
          )}
          <Group>
            <Button type="submit" loading={file.isPending} disabled={useCase.trim() === ""}>
              {approve ? "Grant" : "File the request"}
            </Button>
            {subjects.length === 0 && <Text c="dimmed">Nobody named: it is for you.</Text>}
          </Group>
        </Stack>
      </form>
    </Surface>
  );
}
