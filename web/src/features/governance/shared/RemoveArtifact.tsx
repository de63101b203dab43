import { Checkbox, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { Failure } from "@/api/failure";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { toast } from "@/lib/toasts";
import { useOutdate } from "./useOutdate";
import { deleteArtifact, type Kind } from "./queries";

interface Props {
  kind: Kind;
  id: string;
  /** What it does. */
  text: string;
  /** What `force` does, where it is in use. */
  forced: string;
  onClose: () => void;
  /** Leads away from a page of it: what such a page shows is read again after that. */
  onRemoved: () => Promise<void>;
}

/** Asks before a role, namespace, use case or provider goes; one in use only if that is said too. */
export function RemoveArtifact({ kind, id, text, forced, onClose, onRemoved }: Props): ReactElement {
  const [force, setForce] = useState(false);
  const outdate = useOutdate();
  const remove = useMutation({
    mutationFn: () => deleteArtifact(kind, id, force),
    onSuccess: () => {
      toast(`${id} is removed`);
      void onRemoved().then(outdate);
    },
  });
  const inUse = remove.error instanceof Failure && remove.error.code === "governance.in_use";
  return (
    <ConfirmDialog
      opened
      title={`Remove ${id}?`}
      action="Remove"
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <Stack gap="sm">
        <Text>{text}</Text>
        {(inUse || force) && (
          <Checkbox
            label={`Remove it all the same: ${forced}`}
            checked={force}
            onChange={(event) => setForce(event.currentTarget.checked)}
          />
        )}
      </Stack>
    </ConfirmDialog>
  );
}
