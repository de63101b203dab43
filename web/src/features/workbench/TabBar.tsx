import { ActionIcon, CloseButton, Tooltip, UnstyledButton } from "@mantine/core";
import { IconPlus, IconPointFilled } from "@tabler/icons-react";
import { useState, type ReactElement } from "react";

import { ConfirmDialog } from "@/components/ConfirmDialog";
import type { Desk } from "./desk";
import { closeTab, isDirty, isGoing, openTab, runsOf, type State, type Tab } from "./state";
import classes from "./TabBar.module.css";

/** The texts that are open. */
export function TabBar({ desk, state }: { desk: Desk; state: State }): ReactElement {
  const [asking, setAsking] = useState<Tab | null>(null);
  const close = (tab: Tab): void => {
    desk.stops.get(tab.id)?.abort();
    desk.editors.delete(tab.id);
    desk.change((old) => closeTab(old, tab.id));
    setAsking(null);
  };
  return (
    <nav aria-label="Open texts" className={classes.bar}>
      <ul className={classes.list}>
        {state.tabs.map((tab) => {
          const dirty = isDirty(tab);
          return (
            <li key={tab.id} className={classes.tab} data-active={tab.id === state.active}>
              <UnstyledButton
                className={classes.name}
                aria-current={tab.id === state.active ? "true" : undefined}
                onClick={() => desk.change((old) => ({ ...old, active: tab.id }))}
              >
                {tab.title}
                {dirty && <IconPointFilled size={14} role="img" aria-label="not saved" />}
              </UnstyledButton>
              <CloseButton
                size="sm"
                aria-label={`Close ${tab.title}`}
                onClick={() => (dirty || runsOf(state, tab.id).some(isGoing) ? setAsking(tab) : close(tab))}
              />
            </li>
          );
        })}
      </ul>
      <Tooltip label="New text">
        <ActionIcon variant="subtle" aria-label="New text" onClick={() => desk.change((old) => openTab(old))}>
          <IconPlus size={16} />
        </ActionIcon>
      </Tooltip>
      <ConfirmDialog
        opened={asking !== null}
        title={`Close ${asking?.title ?? ""}?`}
        action="Close text"
        busy={false}
        error={null}
        onConfirm={() => asking !== null && close(asking)}
        onClose={() => setAsking(null)}
      >
        What is not saved as a bench is lost. Statements that ran stand in the history; one that runs is left to end.
      </ConfirmDialog>
    </nav>
  );
}
