import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { CodeBlock } from "@/components/CodeBlock";
import { ProblemList } from "@/components/ProblemList";
import { RelativeTime } from "@/components/RelativeTime";
import type { User } from "../shared/queries";
import { invite, keyOf } from "./queries";

interface Props {
  user: User;
  opened: boolean;
  onClose: () => void;
}

/** Makes a one-time link to set a password and shows it, once: closing forgets it. */
export function InvitationDialog({ user, opened, onClose }: Props): ReactElement {
  const queries = useQueryClient();
  const make = useMutation({
    mutationFn: () => invite(user.id),
    onSuccess: () => void queries.invalidateQueries({ queryKey: keyOf(user.id, "changes") }),
    gcTime: 0,
  });
  const close = (): void => {
    make.reset();
    onClose();
  };
  const made = make.data;
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={`Sign-in link for ${user.name}`}
      closeOnClickOutside={made === undefined}
      centered
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {made === undefined ? (
        <Stack>
          <Text>
            It leads to a page where {user.name} sets a password: the first one, or a new one in place of a forgotten
            one. It works once and not for long; a link that was made before stops working.
          </Text>
          {make.isError && <ProblemList problems={problemsOf(make.error)} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button loading={make.isPending} onClick={() => make.mutate()}>
              Make the link
            </Button>
          </Group>
        </Stack>
      ) : (
        <Stack>
          <Text>
            Copy it now: it is not shown again, to nobody. Hand it over on a way that nobody else reads. It ends{" "}
            <RelativeTime at={made.expiration} />.
          </Text>
          <CodeBlock label="Sign-in link" code={made.link} />
          <Group justify="flex-end">
            <Button onClick={close}>I have it</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
