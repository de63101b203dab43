import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { problemsOf } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import { toast } from "@/lib/toasts";
import { createArtifact } from "../shared/queries";

/** Makes a role, which nobody has yet, and leads to its page. */
export function NewRoleDialog({ opened, onClose }: { opened: boolean; onClose: () => void }): ReactElement {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const queries = useQueryClient();
  const navigate = useNavigate();
  const make = useMutation({
    mutationFn: () => createArtifact("roles", { name: name.trim(), description: description.trim() }),
    onSuccess: (made) => {
      toast(`${made.name} is added`);
      void queries.invalidateQueries({ queryKey: ["governance"] });
      void navigate({ to: "/governance/roles/$id", params: { id: made.id } });
    },
  });
  const close = (): void => {
    make.reset();
    setName("");
    setDescription("");
    onClose();
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <Modal opened={opened} onClose={close} title="Add role" centered closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            description="Its tag is roles:id: and the name in small letters, with hyphens"
            required
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label="What for"
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
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
