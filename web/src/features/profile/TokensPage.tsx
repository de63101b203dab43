import { Button, Group, Text } from "@mantine/core";
import { IconKey, IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { useMe } from "@/app/me";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { toast } from "@/lib/toasts";
import { keyColumns } from "./keyColumns";
import { NewKeyDialog } from "./NewKeyDialog";
import { keysQuery, revokeKey } from "./queries";

/** Profile > Tokens: the reader's API keys. */
export default function TokensPage(): ReactElement {
  const { user } = useMe();
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery(keysQuery(user.id));
  const [making, setMaking] = useState(false);
  const [ending, setEnding] = useState<string | null>(null);
  const [columns] = useState(() => keyColumns(setEnding));
  const revoke = useMutation({
    mutationFn: (name: string) => revokeKey(name),
    onSuccess: (_, name) => {
      toast(`${name} is revoked`);
      setEnding(null);
      void queries.invalidateQueries({ queryKey: ["keys", user.id] });
    },
  });
  const add = (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
      Add API key
    </Button>
  );
  return (
    <>
      <Group justify="space-between" mb="md">
        <Text c="dimmed">Programs sign in with these as you. A key is shown once, when it is made.</Text>
        {data !== undefined && data.length > 0 && add}
      </Group>
      {error !== null && <ErrorState error={error} title="Keys cannot be shown" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeletons rows={3} />}
      {data?.length === 0 && <EmptyState icon={<IconKey />} title="You have no API key" action={add} />}
      {data !== undefined && data.length > 0 && (
        <DataTable label="API keys" rows={data} columns={columns} idOf={(key) => key.name} />
      )}
      <NewKeyDialog user={user.id} opened={making} onClose={() => setMaking(false)} />
      <ConfirmDialog
        opened={ending !== null}
        title={`Revoke ${ending ?? ""}?`}
        action="Revoke"
        busy={revoke.isPending}
        error={revoke.error}
        onConfirm={() => ending !== null && revoke.mutate(ending)}
        onClose={() => {
          revoke.reset();
          setEnding(null);
        }}
      >
        Programs that use it are refused from now on. This cannot be taken back.
      </ConfirmDialog>
    </>
  );
}
