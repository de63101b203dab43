import { Button, Group, Menu } from "@mantine/core";
import { IconChevronDown, IconPlayerPause, IconPlayerPlay, IconPlayerStop, IconRefresh } from "@tabler/icons-react";
import { useState, type ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { LinkButton } from "@/components/LinkButton";
import { ProblemList } from "@/components/ProblemList";
import { confirmationOf } from "./confirmations";
import { isOpen, type Flow } from "./flow";
import type { Which } from "./queries";
import { useVerb, type Wish } from "./useVerb";

/** What can be asked of a Workflow. What the server refuses stands below the buttons. */
export function Actions({ which, flow }: { which: Which; flow: Flow }): ReactElement {
  const [asking, setAsking] = useState(false);
  const [wish, setWish] = useState<Wish>({ verb: "stop" });
  const verb = useVerb(which);
  const question = confirmationOf(wish, which.name, flow);
  const ask = (wanted: Wish): void => {
    verb.reset();
    setWish(wanted);
    if (confirmationOf(wanted, which.name, flow) === null) verb.mutate(wanted);
    else setAsking(true);
  };
  const close = (): void => {
    setAsking(false);
    verb.reset();
  };
  const busy = (name: Wish["verb"]): boolean => verb.isPending && verb.variables.verb === name;
  return (
    <div>
      <Group gap="xs">
        <Button
          leftSection={<IconPlayerPlay size={16} aria-hidden />}
          loading={busy("run")}
          onClick={() => ask({ verb: "run" })}
        >
          Run now
        </Button>
        <Menu position="bottom-start">
          <Menu.Target>
            <Button
              variant="default"
              leftSection={<IconRefresh size={16} aria-hidden />}
              rightSection={<IconChevronDown size={14} aria-hidden />}
              loading={busy("re-run")}
            >
              Re-run
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => ask({ verb: "re-run" })}>All jobs</Menu.Item>
            <Menu.Item onClick={() => ask({ verb: "re-run", fromFailed: true })}>What did not succeed</Menu.Item>
          </Menu.Dropdown>
        </Menu>
        {isOpen(flow.run) && (
          <Button
            variant="default"
            leftSection={<IconPlayerStop size={16} aria-hidden />}
            loading={busy("stop")}
            onClick={() => ask({ verb: "stop" })}
          >
            Stop
          </Button>
        )}
        {flow.paused === null && (flow.schedule !== null || isOpen(flow.run)) && (
          <Button
            variant="default"
            leftSection={<IconPlayerPause size={16} aria-hidden />}
            loading={busy("pause")}
            onClick={() => ask({ verb: "pause" })}
          >
            Pause
          </Button>
        )}
        {flow.paused !== null && (
          <Button
            variant="default"
            leftSection={<IconPlayerPlay size={16} aria-hidden />}
            loading={busy("resume")}
            onClick={() => ask({ verb: "resume" })}
          >
            Resume
          </Button>
        )}
        <LinkButton
          to="/operations/resources/$type/$name"
          params={{ type: "workflow", name: which.name }}
          search={{ workspace: which.workspace }}
          variant="subtle"
        >
          Resource and YAML
        </LinkButton>
      </Group>
      <div role="alert">
        {!asking && verb.error !== null && (
          <Group mt="sm">
            <ProblemList problems={problemsOf(verb.error)} />
          </Group>
        )}
      </div>
      <ConfirmDialog
        opened={asking}
        title={question?.title ?? ""}
        action={question?.action ?? ""}
        busy={verb.isPending}
        error={verb.error}
        onConfirm={() => verb.mutate(wish, { onSuccess: close })}
        onClose={close}
      >
        {question?.text}
      </ConfirmDialog>
    </div>
  );
}
