import { Button, Group, Modal, Stack } from "@mantine/core";
import type { ReactElement, ReactNode } from "react";

import { ProblemList } from "./ProblemList";
import { problemsOf } from "@/api/failure";

interface Props {
  opened: boolean;
  title: string;
  /** What it does, and whether it can be taken back. */
  children: ReactNode;
  /** The verb: "Delete", "Revoke". */
  action: string;
  busy: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks before something that is not easily taken back. */
export function ConfirmDialog(props: Props): ReactElement {
  const { opened, title, children, action, busy, error, onConfirm, onClose } = props;
  return (
    <Modal opened={opened} onClose={onClose} title={title} centered closeButtonProps={{ "aria-label": "Close" }}>
      <Stack>
        <div>{children}</div>
        {error !== null && error !== undefined && <ProblemList problems={problemsOf(error)} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            Cancel
          </Button>
          <Button color="red.8" loading={busy} onClick={onConfirm}>
            {action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
