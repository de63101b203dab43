import { Button, Stack, Text } from "@mantine/core";
import { IconLogout, IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { ConfirmDialog } from "@/components/ConfirmDialog";
import { momentColumn } from "@/components/columns";
import { DataTable, type Column } from "@/components/DataTable";
import { keyColumns } from "@/features/profile/keyColumns";
import { NewKeyDialog } from "@/features/profile/NewKeyDialog";
import { keysQuery, revokeKey } from "@/features/profile/queries";
import { toast } from "@/lib/toasts";
import { AsyncPart } from "../shared/AsyncPart";
import type { User } from "../shared/queries";
import { Section } from "../shared/Section";
import { endSessions, keyOf, sessionsQuery, type OpenSession } from "./queries";

const SESSION_COLUMNS: readonly Column<OpenSession>[] = [
  { id: "name", header: "Opened by", value: (s) => s.name, width: 2 },
  momentColumn("created", "Since", (s) => s.created),
  momentColumn("expiration", "Ends", (s) => s.expiration),
];

/** What a user signs in with: API keys and sessions, to be ended here. */
export function KeysTab({ user }: { user: User }): ReactElement {
  const queries = useQueryClient();
  const keys = useQuery(keysQuery(user.id));
  const sessions = useQuery(sessionsQuery(user.id));
  const [asked, setAsked] = useState<"key" | "sessions" | "new" | null>(null);
  const [ending, setEnding] = useState("");
  const [columns] = useState(() =>
    keyColumns((name) => {
      setEnding(name);
      setAsked("key");
    }),
  );
  const revoke = useMutation({
    mutationFn: () => revokeKey(ending),
    onSuccess: () => {
      toast(`${ending} is revoked`);
      setAsked(null);
      void queries.invalidateQueries({ queryKey: ["keys", user.id] });
    },
  });
  const signOut = useMutation({
    mutationFn: () => endSessions(user.id),
    onSuccess: ({ count }) => {
      toast(`${user.name} is signed out (${count} sessions)`);
      setAsked(null);
      void queries.invalidateQueries({ queryKey: keyOf(user.id, "sessions") });
    },
  });
  const close = (): void => {
    revoke.reset();
    signOut.reset();
    setAsked(null);
  };
  return (
    <Stack>
      <Section
        title="API keys"
        actions={
          <Button variant="default" leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAsked("new")}>
            Add API key
          </Button>
        }
      >
        <AsyncPart query={keys} failed="Keys cannot be shown" rows={2}>
          {(found) =>
            found.length === 0 ? (
              <Text c="dimmed">There is none. Programs sign in with one.</Text>
            ) : (
              <DataTable label="API keys" rows={found} columns={columns} idOf={(key) => key.name} />
            )
          }
        </AsyncPart>
      </Section>
      <Section
        title="Sessions"
        actions={
          <Button
            variant="default"
            leftSection={<IconLogout size={16} aria-hidden />}
            disabled={sessions.data?.length === 0}
            onClick={() => setAsked("sessions")}
          >
            Sign out everywhere
          </Button>
        }
      >
        <AsyncPart query={sessions} failed="Sessions cannot be shown" rows={2}>
          {(found) =>
            found.length === 0 ? (
              <Text c="dimmed">Nobody is signed in as this user.</Text>
            ) : (
              <DataTable label="Sessions" rows={found} columns={SESSION_COLUMNS} idOf={(session) => session.id} />
            )
          }
        </AsyncPart>
      </Section>
      <NewKeyDialog user={user.id} opened={asked === "new"} onClose={close} />
      <ConfirmDialog
        opened={asked === "key"}
        title={`Revoke ${ending}?`}
        action="Revoke"
        busy={revoke.isPending}
        error={revoke.error}
        onConfirm={() => revoke.mutate()}
        onClose={close}
      >
        Programs that use it are refused from now on. This cannot be taken back.
      </ConfirmDialog>
      <ConfirmDialog
        opened={asked === "sessions"}
        title={`Sign ${user.name} out everywhere?`}
        action="Sign out"
        busy={signOut.isPending}
        error={signOut.error}
        onConfirm={() => signOut.mutate()}
        onClose={close}
      >
        Every session ends at once; API keys go on. Who knows the password can sign in again.
      </ConfirmDialog>
    </Stack>
  );
}
