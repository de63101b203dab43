import { Button, Group, Modal, MultiSelect, SegmentedControl, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { problemsOf } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import { toast } from "@/lib/toasts";
import { rolesQuery } from "../roles/queries";
import { tagOfRole } from "../shared/subjects";
import { createUser } from "./queries";

const EMPTY = { type: "person", name: "", id: "", email: "", roles: [] as string[] };

/** Makes a person or an application, and leads to its page. */
export function NewUserDialog({ opened, onClose }: { opened: boolean; onClose: () => void }): ReactElement {
  const [user, setUser] = useState(EMPTY);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const roles = useQuery({ ...rolesQuery, enabled: opened });
  const change = (part: Partial<typeof EMPTY>): void => setUser({ ...user, ...part });
  const make = useMutation({
    mutationFn: () =>
      createUser({
        type: user.type,
        name: user.name.trim(),
        id: user.id.trim() === "" ? null : user.id.trim(),
        email: user.email.trim() === "" ? null : user.email.trim(),
        tags: user.roles.map(tagOfRole),
      }),
    onSuccess: (made) => {
      toast(`${made.name} is added`);
      void queries.invalidateQueries({ queryKey: ["users"] });
      void navigate({ to: "/governance/users/$id", params: { id: made.id } });
    },
  });
  const close = (): void => {
    make.reset();
    setUser(EMPTY);
    onClose();
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <Modal opened={opened} onClose={close} title="Add user" centered closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack>
          <SegmentedControl
            aria-label="Type"
            data={[
              { value: "person", label: "Person" },
              { value: "application", label: "Application" },
            ]}
            value={user.type}
            onChange={(type) => change({ type })}
          />
          <TextInput
            label="Name"
            required
            data-autofocus
            value={user.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
          />
          <TextInput
            label="User id"
            description="Stays for good; made from the name if left out"
            value={user.id}
            onChange={(event) => change({ id: event.currentTarget.value })}
          />
          <TextInput
            label="E-mail"
            type="email"
            value={user.email}
            onChange={(event) => change({ email: event.currentTarget.value })}
          />
          <MultiSelect
            label="Roles"
            description="Everybody has the role user"
            data={(roles.data ?? []).map((role) => role.id)}
            value={user.roles}
            onChange={(chosen) => change({ roles: chosen })}
            searchable
          />
          {make.isError && <ProblemList problems={problemsOf(make.error)} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={make.isPending}>
              Add
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
