import { Button, Group, Select, Stack, Textarea } from "@mantine/core";
import { IconCheck, IconX } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import { toast } from "@/lib/toasts";
import type { Grant } from "../shared/queries";
import { Section } from "../shared/Section";
import { useOutdate } from "../shared/useOutdate";
import { endOf, LASTING } from "./lasting";
import { approveGrant, rejectGrant } from "./queries";

/** Approve or reject a request, with a reason that the requester reads, and an end. */
export function DecideForm({ grant }: { grant: Grant }): ReactElement {
  const [reason, setReason] = useState("");
  const [hours, setHours] = useState("");
  const outdate = useOutdate();
  const decide = useMutation({
    mutationFn: (approves: boolean) =>
      approves ? approveGrant(grant.id, reason.trim(), endOf(hours, new Date())) : rejectGrant(grant.id, reason.trim()),
    onSuccess: (decided) => {
      toast(`${decided.policy_use_case_id} is ${decided.state}`);
      outdate();
    },
  });
  return (
    <Section title="Decide">
      <Stack>
        <Textarea
          label="Reason"
          description="The requester reads it"
          autosize
          minRows={2}
          maxLength={4000}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <Select
          label="Ends after"
          description={grant.expires === null ? "It was asked for without an end" : "Never later than it was asked for"}
          data={[{ value: "", label: grant.expires === null ? "Never" : "As asked for" }, ...LASTING]}
          value={hours}
          allowDeselect={false}
          onChange={(value) => setHours(value ?? "")}
        />
        {decide.isError && (
          <div role="alert">
            <ProblemList problems={problemsOf(decide.error)} />
          </div>
        )}
        <Group justify="flex-end" gap="xs">
          <Button
            variant="default"
            leftSection={<IconX size={16} aria-hidden />}
            loading={decide.isPending && !decide.variables}
            disabled={decide.isPending}
            onClick={() => decide.mutate(false)}
          >
            Reject
          </Button>
          <Button
            leftSection={<IconCheck size={16} aria-hidden />}
            loading={decide.isPending && decide.variables}
            disabled={decide.isPending}
            onClick={() => decide.mutate(true)}
          >
            Approve
          </Button>
        </Group>
      </Stack>
    </Section>
  );
}
