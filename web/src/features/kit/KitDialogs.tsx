import { Button, Group, Title } from "@mantine/core";
import { useState, type ReactElement } from "react";

import { ConfirmDialog } from "@/components/ConfirmDialog";
import { Drawer } from "@/components/Drawer";
import { toast, toastProblems } from "@/lib/toasts";

/** What comes over the page. */
export function KitDialogs(): ReactElement {
  const [open, setOpen] = useState<"drawer" | "dialog" | null>(null);
  const close = (): void => setOpen(null);
  return (
    <section aria-label="Dialogs">
      <Title order={2} mb="sm">
        Drawer, ConfirmDialog, toasts
      </Title>
      <Group>
        <Button variant="default" onClick={() => setOpen("drawer")}>
          Drawer
        </Button>
        <Button variant="default" onClick={() => setOpen("dialog")}>
          ConfirmDialog
        </Button>
        <Button variant="default" onClick={() => toast("It is done")}>
          Toast
        </Button>
        <Button variant="default" onClick={() => toastProblems(new Error("no"), "It failed")}>
          Toast of a failure
        </Button>
      </Group>
      <Drawer opened={open === "drawer"} onClose={close} title="Drawer">
        Content
      </Drawer>
      <ConfirmDialog
        opened={open === "dialog"}
        title="Delete it?"
        action="Delete"
        busy={false}
        error={null}
        onConfirm={close}
        onClose={close}
      >
        What it does.
      </ConfirmDialog>
    </section>
  );
}
