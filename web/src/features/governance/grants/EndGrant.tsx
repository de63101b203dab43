import { Button } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactElement } from "react";

import { ConfirmDialog } from "@/components/ConfirmDialog";
import { toast } from "@/lib/toasts";
import type { Grant } from "../shared/queries";
import { useOutdate } from "../shared/useOutdate";
import { deleteGrant } from "./queries";

const WORDS: Record<string, { verb: string; done: string; text: string }> = {
  requested: { verb: "Take back", done: "taken back", text: "The request goes, and nobody can approve it any more." },
  approved: {
    verb: "End",
    done: "ended",
    text: "What it allowed is refused from the next call on, unless something else allows it.",
  },
  rejected: {
    verb: "Remove",
    done: "removed",
    text: "The request and its reason go from the list; the audit keeps both.",
  },
};

/** Ends a grant, takes a request back, or removes a rejected one. */
export function EndGrant({ grant }: { grant: Grant }): ReactElement | null {
  const [asking, setAsking] = useState(false);
  const outdate = useOutdate();
  const navigate = useNavigate();
  const words = WORDS[grant.state];
  const end = useMutation({
    mutationFn: () => deleteGrant(grant.id),
    onSuccess: () => {
      toast(`${grant.policy_use_case_id} is ${words?.done ?? "removed"}`);
      // first away from here: what is shown here is there no more
      void navigate({ to: "/governance/grants", search: { tab: grant.state } }).then(outdate);
    },
  });
  if (words === undefined) return null;
  const close = (): void => {
    end.reset();
    setAsking(false);
  };
  return (
    <>
      <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setAsking(true)}>
        {words.verb}
      </Button>
      <ConfirmDialog
        opened={asking}
        title={`${words.verb}: ${grant.policy_use_case_id}?`}
        action={words.verb}
        busy={end.isPending}
        error={end.error}
        onConfirm={() => end.mutate()}
        onClose={close}
      >
        {words.text}
      </ConfirmDialog>
    </>
  );
}
