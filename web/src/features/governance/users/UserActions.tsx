import { Button } from "@mantine/core";
import { IconLink, IconTrash, IconUserCheck, IconUserOff } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactElement } from "react";

import { ConfirmDialog } from "@/components/ConfirmDialog";
import { StatusBadge } from "@/components/StatusBadge";
import { toast } from "@/lib/toasts";
import type { User } from "../shared/queries";
import { InvitationDialog } from "./InvitationDialog";
import { deleteUser, setState } from "./queries";

type Asked = "state" | "delete" | "link" | null;

/** What can be decided about a user as a whole. */
export function UserActions({ user }: { user: User }): ReactElement {
  const [asked, setAsked] = useState<Asked>(null);
  // what was asked for stays what it was, though the user's state changes meanwhile
  const [wanted, setWanted] = useState<"active" | "disabled">("disabled");
  const queries = useQueryClient();
  const navigate = useNavigate();
  const active = user.state === "active";
  const change = useMutation({
    mutationFn: () => setState(user.id, wanted),
    onSuccess: (done) => {
      const stopping = done.stopping > 0 ? `; ${done.stopping} runs are being stopped` : "";
      toast(`${user.name} is ${done.state}${stopping}`);
      setAsked(null);
      void queries.invalidateQueries({ queryKey: ["users"] });
    },
  });
  const remove = useMutation({
    mutationFn: () => deleteUser(user.id),
    onSuccess: () => {
      toast(`${user.name} is deleted`);
      // first away from here: what is shown here is there no more
      void navigate({ to: "/governance/users" }).then(() => queries.invalidateQueries({ queryKey: ["users"] }));
    },
  });
  const close = (): void => {
    change.reset();
    remove.reset();
    setAsked(null);
  };
  return (
    <>
      <StatusBadge state={user.state} />
      {user.type === "person" && (
        <Button variant="default" leftSection={<IconLink size={16} aria-hidden />} onClick={() => setAsked("link")}>
          Sign-in link
        </Button>
      )}
      <Button
        variant="default"
        leftSection={active ? <IconUserOff size={16} aria-hidden /> : <IconUserCheck size={16} aria-hidden />}
        onClick={() => {
          setWanted(active ? "disabled" : "active");
          setAsked("state");
        }}
      >
        {active ? "Disable" : "Enable"}
      </Button>
      <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setAsked("delete")}>
        Delete
      </Button>
      <InvitationDialog user={user} opened={asked === "link"} onClose={close} />
      <ConfirmDialog
        opened={asked === "state"}
        title={`${wanted === "disabled" ? "Disable" : "Enable"} ${user.name}?`}
        action={wanted === "disabled" ? "Disable" : "Enable"}
        busy={change.isPending}
        error={change.error}
        onConfirm={() => change.mutate()}
        onClose={close}
      >
        {wanted === "disabled"
          ? "Sessions and API keys are refused from now on, and what runs as this user is stopped. Enabling takes that back; nothing starts again by itself."
          : "API keys and the password count again. What was stopped stays stopped."}
      </ConfirmDialog>
      <ConfirmDialog
        opened={asked === "delete"}
        title={`Delete ${user.name}?`}
        action="Delete"
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
        onClose={close}
      >
        The user goes with its API keys and sessions, for good. It is refused while the user owns Resources: disable it
        instead, or give them another owner.
      </ConfirmDialog>
    </>
  );
}
