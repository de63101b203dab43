import { ActionIcon, Badge, Button, Group, Menu, Tooltip } from "@mantine/core";
import {
  IconBookmark,
  IconChevronDown,
  IconListTree,
  IconPlayerPlay,
  IconPlayerStop,
  IconSparkles,
  IconX,
} from "@tabler/icons-react";
import type { ReactElement } from "react";

import { ClusterSelect } from "./ClusterSelect";
import type { Desk } from "./desk";
import { changeTab, forgetSession, isDirty, isGoing, runsOf, type State, type Tab } from "./state";
import type { Statements } from "./useStatements";

interface Props {
  desk: Desk;
  state: State;
  tab: Tab;
  statements: Statements;
  onSave: () => void;
}

/** What is done with a text. */
export function Toolbar({ desk, state, tab, statements, onSave }: Props): ReactElement {
  const going = runsOf(state, tab.id).some(isGoing);
  const empty = tab.text.trim() === "";
  const session = state.sessions[tab.id];
  const place = [session?.catalog, session?.schema].filter(Boolean).join(".");
  return (
    <Group gap="xs" wrap="wrap">
      {going ? (
        <Button color="red.8" leftSection={<IconPlayerStop size={16} aria-hidden />} onClick={statements.cancel}>
          Cancel
        </Button>
      ) : (
        <Button.Group>
          <Tooltip label="The selection, or the statement at the cursor (Ctrl Enter)">
            <Button disabled={empty} leftSection={<IconPlayerPlay size={16} aria-hidden />} onClick={statements.run}>
              Run
            </Button>
          </Tooltip>
          <Menu position="bottom-start">
            <Menu.Target>
              <Button disabled={empty} aria-label="More ways to run" px={8}>
                <IconChevronDown size={16} aria-hidden />
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={statements.run}>Run selection or statement (Ctrl Enter)</Menu.Item>
              <Menu.Item onClick={statements.runAll}>Run all (Ctrl Alt Enter)</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Button.Group>
      )}
      <Tooltip label="Plan and policies, without running (Ctrl Shift Enter)">
        <Button
          variant="default"
          disabled={empty || going}
          leftSection={<IconListTree size={16} aria-hidden />}
          onClick={statements.explain}
        >
          Explain
        </Button>
      </Tooltip>
      <Button
        variant="default"
        disabled={empty}
        leftSection={<IconSparkles size={16} aria-hidden />}
        onClick={statements.format}
      >
        Format
      </Button>
      <Button
        variant={isDirty(tab) && tab.bench !== null ? "light" : "default"}
        disabled={empty}
        leftSection={<IconBookmark size={16} aria-hidden />}
        onClick={onSave}
      >
        Save
      </Button>
      <ClusterSelect
        value={tab.cluster}
        onChange={(cluster) => desk.change((old) => changeTab(old, tab.id, { cluster }))}
      />
      {session !== undefined && (
        <Badge
          variant="default"
          tt="none"
          fw={500}
          size="lg"
          rightSection={
            <ActionIcon
              size="xs"
              variant="transparent"
              aria-label="Forget the session"
              onClick={() => desk.change((old) => forgetSession(old, tab.id))}
            >
              <IconX size={14} />
            </ActionIcon>
          }
        >
          {place === "" ? "session" : place}
        </Badge>
      )}
    </Group>
  );
}
