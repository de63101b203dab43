import { Autocomplete, Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, type ReactElement, type SyntheticEvent } from "react";

import { problemsOf } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import { toast } from "@/lib/toasts";
import { rulesQuery } from "../shared/queries";
import { useOutdate } from "../shared/useOutdate";
import { giveTags, usedTagsQuery } from "./queries";

/** Gives a tag to a dataset or a column. What is not there is warned of, and stays on the dialog. */
export function GiveTagDialog({ opened, onClose }: { opened: boolean; onClose: () => void }): ReactElement {
  const [asset, setAsset] = useState("");
  const [tag, setTag] = useState("");
  const outdate = useOutdate();
  const used = useQuery({ ...usedTagsQuery, enabled: opened });
  const rules = useQuery({ ...rulesQuery, enabled: opened });
  const known = [...(used.data ?? []).map((one) => one.tag), ...(rules.data ?? []).flatMap((rule) => rule.columnTags)];
  const give = useMutation({
    mutationFn: () => giveTags(asset.trim(), [tag.trim()]),
    onSuccess: (done) => {
      outdate();
      if (done.warnings.length > 0) return;
      toast(`${asset.trim()} has ${tag.trim()}`);
      setAsset("");
      setTag("");
      onClose();
    },
  });
  const close = (): void => {
    give.reset();
    onClose();
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    give.mutate();
  };
  return (
    <Modal opened={opened} onClose={close} title="Give a tag" centered closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Dataset or column"
            description="A column stands behind a #"
            placeholder="dataos://depot:collection/dataset#column"
            required
            data-autofocus
            value={asset}
            onChange={(event) => setAsset(event.currentTarget.value)}
          />
          <Autocomplete
            label="Tag"
            description="Group.Tag, with its letter case"
            required
            data={[...new Set(known)].sort()}
            value={tag}
            onChange={setTag}
          />
          {give.isError && <ProblemList problems={problemsOf(give.error)} />}
          {give.data !== undefined && give.data.warnings.length > 0 && (
            <ProblemList problems={give.data.warnings} tone="warn" />
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Close
            </Button>
            <Button type="submit" loading={give.isPending} disabled={asset.trim() === "" || tag.trim() === ""}>
              Give
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
