import { Button, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type SyntheticEvent, type ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { CodeBlock } from "@/components/CodeBlock";
import { ProblemList } from "@/components/ProblemList";
import { createKey } from "./queries";

const LASTING = [
  { value: "1", label: "1 hour" },
  { value: "24", label: "1 day" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
  { value: "2160", label: "90 days" },
  { value: "8760", label: "1 year" },
];

interface Props {
  user: string;
  opened: boolean;
  onClose: () => void;
}

/** Makes an API key and shows it, once: closing forgets it. */
export function NewKeyDialog({ user, opened, onClose }: Props): ReactElement {
  const [name, setName] = useState("");
  const [hours, setHours] = useState("24");
  const queries = useQueryClient();
  const make = useMutation({
    mutationFn: () => createKey(user, name.trim(), Number(hours)),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ["keys", user] }),
    gcTime: 0,
  });
  const close = (): void => {
    make.reset();
    setName("");
    onClose();
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    make.mutate();
  };
  const made = make.data;
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={made === undefined ? "Add API key" : `${made.name} is made`}
      closeOnClickOutside={made === undefined}
      centered
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {made === undefined ? (
        <form onSubmit={submit}>
          <Stack>
            <TextInput
              label="Name"
              description="What uses it; made up if left out"
              maxLength={100}
              data-autofocus
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Select
              label="Expires after"
              data={LASTING}
              value={hours}
              allowDeselect={false}
              onChange={(value) => setHours(value ?? hours)}
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
      ) : (
        <Stack>
          <Text>Copy it now: it is not shown again, to nobody.</Text>
          <CodeBlock label="API key" code={made.token} />
          <Group justify="flex-end">
            <Button onClick={close}>I have it</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
