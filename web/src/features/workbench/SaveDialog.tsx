import { Button, Group, Modal, Radio, Stack, TagsInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { useMe } from "@/app/me";
import { problemsOf } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import { toast } from "@/lib/toasts";
import { saveBench, type BenchBody } from "./queries";
import type { Bench, Tab } from "./state";

interface Props {
  tab: Tab;
  onClose: () => void;
  onSaved: (bench: Bench) => void;
}

type Sharing = NonNullable<BenchBody["sharing"]>;

/** Keeps a text as a bench: a new one, or the reader's own that it came from. */
export function SaveDialog({ tab, onClose, onSaved }: Props): ReactElement {
  const { user } = useMe();
  const queries = useQueryClient();
  const own = tab.bench?.owner === user.id ? tab.bench : null;
  const [name, setName] = useState(tab.bench?.name ?? "");
  const [sharing, setSharing] = useState<Sharing>(own?.sharing ?? "private");
  const [tags, setTags] = useState<string[]>(own?.tags ?? []);
  const save = useMutation({
    mutationFn: (old: Bench | null) =>
      saveBench({ name, sql: tab.text, cluster: tab.cluster, sharing, tags: sharing === "tags" ? tags : [] }, old),
    onSuccess: (bench) => {
      toast(`${bench.name} is saved`);
      void queries.invalidateQueries({ queryKey: ["benches"] });
      onSaved(bench);
    },
  });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    save.mutate(own);
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={own === null ? "Save as a bench" : `Save ${own.name}`}
      centered
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            required
            maxLength={200}
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Radio.Group
            label="Who may read it"
            description="A bench is a text: what it returns is decided for who runs it."
            value={sharing}
            onChange={(value) => setSharing(value)}
          >
            <Stack gap="xs" mt="xs">
              <Radio value="private" label="Only you" />
              <Radio value="all" label="Everybody who is signed in" />
              <Radio value="tags" label="Users who have one of these tags" />
            </Stack>
          </Radio.Group>
          {sharing === "tags" && (
            <TagsInput
              label="Tags of users"
              description="roles:id:analyst, users:id:ana"
              placeholder="Enter adds one"
              value={tags}
              onChange={setTags}
            />
          )}
          {save.isError && <ProblemList problems={problemsOf(save.error)} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            {own !== null && name.trim() !== own.name && (
              <Button variant="default" loading={save.isPending} onClick={() => save.mutate(null)}>
                Save as another
              </Button>
            )}
            <Button type="submit" loading={save.isPending}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
