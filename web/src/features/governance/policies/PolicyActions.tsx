import { Button } from "@mantine/core";
import { IconPencil, IconTrash } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactElement } from "react";

import { ConfirmDialog } from "@/components/ConfirmDialog";
import { LinkButton } from "@/components/LinkButton";
import { StatusBadge } from "@/components/StatusBadge";
import { deleteResource, type Resource } from "@/features/resources/queries";
import { toast } from "@/lib/toasts";
import type { Rule } from "../shared/queries";

interface Props {
  name: string;
  rule: Rule | undefined;
  resource: Resource | undefined;
  /** Whether the rules in force could be read. */
  known: boolean;
}

/** How a policy stands, and the ways to change and delete it. */
export function PolicyActions({ name, rule, resource, known }: Props): ReactElement {
  const [asking, setAsking] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => deleteResource({ type: "policy", name, workspace: null }),
    onSuccess: () => {
      toast(`${name} is deleted and decides no more`);
      // first away from here: what is shown here is there no more
      void navigate({ to: "/governance/policies" }).then(() => {
        for (const word of ["policies", "resources"]) void queries.invalidateQueries({ queryKey: [word] });
      });
    },
  });
  const close = (): void => {
    remove.reset();
    setAsking(false);
  };
  const state = rule !== undefined ? "in force" : known && resource !== undefined ? "archived" : "";
  return (
    <>
      <StatusBadge state={state} />
      {resource !== undefined && (
        <>
          <LinkButton
            to="/governance/simulate"
            search={{ policy: name }}
            variant="default"
            leftSection={<IconPencil size={16} aria-hidden />}
          >
            Edit
          </LinkButton>
          <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setAsking(true)}>
            Delete
          </Button>
          <ConfirmDialog
            opened={asking}
            title={`Delete ${name}?`}
            action="Delete"
            busy={remove.isPending}
            error={remove.error}
            onConfirm={() => remove.mutate()}
            onClose={close}
          >
            It ends with the next statement, on every server: what it allows is refused then, and what it masks, filters
            or denies is seen. Simulate tells who that concerns.
          </ConfirmDialog>
        </>
      )}
    </>
  );
}
