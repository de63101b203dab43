import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState, type ReactElement } from "react";

import { CopyButton } from "@/components/CopyButton";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { saveFile } from "@/lib/files";
import { toastProblems } from "@/lib/toasts";
import { isOpen, type Run } from "./flow";
import { linesOf } from "./logs";
import { LogLines } from "./LogLines";
import { ALL, LAST, logQuery } from "./logQuery";
import { readLog, type Which } from "./queries";

interface Props {
  which: Which;
  run: Run;
  node: string;
  attempt: string;
}

/** What an attempt of a job wrote; goes on while the run does. */
export function JobLog({ which, run, node, attempt }: Props): ReactElement {
  const [tail, setTail] = useState(LAST);
  const follows = isOpen(run);
  const { data, isPending, isError, error, refetch } = useQuery(logQuery(which, run.id, node, { tail, follows }));
  useEffect(() => {
    if (!follows) void refetch({ cancelRefetch: false }); // what was written since the last look at a run that ended
  }, [follows, refetch]);
  const text = data?.attempts[attempt]?.text ?? "";
  const lines = useMemo(() => linesOf(text), [text]);
  const save = useMutation({
    mutationFn: () => readLog(which, run.id, node, { tail: ALL, offsets: {} }),
    onSuccess: (log) => {
      const whole = log.nodes.find((item) => item.attempt === attempt)?.text ?? "";
      saveFile(
        new Blob([whole], { type: "text/plain;charset=utf-8" }),
        `${which.name}-${run.id}-${node.replaceAll("/", "-")}.log`,
      );
    },
    onError: (failed) => toastProblems(failed, "The log cannot be downloaded"),
  });
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Title order={3} size="h4">
          Log
        </Title>
        <Group gap="xs">
          {tail === LAST && lines.length >= LAST && (
            <Button variant="subtle" size="compact-sm" onClick={() => setTail(ALL)}>
              Show all lines
            </Button>
          )}
          <Button
            variant="default"
            size="compact-md"
            leftSection={<IconDownload size={16} aria-hidden />}
            loading={save.isPending}
            onClick={() => save.mutate()}
          >
            Download
          </Button>
          <CopyButton value={lines.join("\n")} label="Copy the log" />
        </Group>
      </Group>
      {isPending && <Skeletons rows={6} height={18} />}
      {isError && <ErrorState error={error} title="The log cannot be shown" onRetry={() => void refetch()} />}
      {data !== undefined && lines.length === 0 && (
        <Text c="dimmed">{follows ? "It has written nothing yet." : "It wrote nothing, or its log is gone."}</Text>
      )}
      {lines.length > 0 && <LogLines lines={lines} label={`Log of ${node}`} follows={follows} />}
    </Stack>
  );
}
