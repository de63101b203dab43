import { Button } from "@mantine/core";
import { IconPlayerStop } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { ConfirmDialog } from "@/components/ConfirmDialog";
import { toast } from "@/lib/toasts";
import { statementQuery, stopStatement } from "./queries";

/** Stops a statement that waits or runs. */
export function StopStatement({ id }: { id: string }): ReactElement {
  const [asking, setAsking] = useState(false);
  const queries = useQueryClient();
  const stop = useMutation({
    mutationFn: () => stopStatement(id),
    onSuccess: (stopped) => {
      setAsking(false);
      toast(stopped ? "The statement is stopped" : "The statement had ended already");
    },
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ["statements"] });
      return queries.invalidateQueries({ queryKey: statementQuery(id).queryKey });
    },
  });
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconPlayerStop size={16} aria-hidden />}
        onClick={() => {
          stop.reset();
          setAsking(true);
        }}
      >
        Stop
      </Button>
      <ConfirmDialog
        opened={asking}
        title="Stop this statement?"
        action="Stop"
        busy={stop.isPending}
        error={stop.error}
        onConfirm={() => stop.mutate()}
        onClose={() => setAsking(false)}
      >
        Whoever waits for its rows gets an error that says who stopped it. What it has changed already stays.
      </ConfirmDialog>
    </>
  );
}
