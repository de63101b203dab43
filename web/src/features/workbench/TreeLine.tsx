import { ActionIcon } from "@mantine/core";
import {
  IconChevronDown,
  IconChevronRight,
  IconColumns3,
  IconDatabase,
  IconFolder,
  IconTable,
  IconTextPlus,
} from "@tabler/icons-react";
import type { ReactElement } from "react";

import { COLUMN_LEVEL, type Line } from "./branches";
import classes from "./CatalogTree.module.css";

const ICONS = [IconDatabase, IconFolder, IconTable, IconColumns3];
const NOTES = { loading: "is being read…", empty: "nothing that you may see", failed: "cannot be read" };
const INDENT = 14;

interface Props {
  id: string;
  line: Line;
  active: boolean;
  top: number;
  height: number;
  onChoose: () => void;
  onInsert: () => void;
}

/** One catalog, schema, table or column. The keyboard is the tree's: it holds the focus. */
export function TreeLine({ id, line, active, top, height, onChoose, onInsert }: Props): ReactElement {
  const { branch, level, open, note } = line;
  const name = branch.path.at(-1) ?? "";
  const Icon = ICONS[level - 1] ?? IconColumns3;
  const Chevron = open ? IconChevronDown : IconChevronRight;
  const opens = level < COLUMN_LEVEL;
  return (
    <div
      id={id}
      role="treeitem"
      aria-level={level}
      aria-expanded={opens ? open : undefined}
      aria-selected={active}
      aria-posinset={line.position + 1}
      aria-setsize={line.count}
      aria-label={branch.type === undefined ? name : `${name}, ${branch.type}`}
      className={classes.line}
      data-active={active}
      style={{ height, transform: `translateY(${top}px)` }}
    >
      {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions */}
      <div className={classes.row} style={{ paddingLeft: (level - 1) * INDENT }} onClick={onChoose}>
        {opens ? <Chevron size={14} aria-hidden className={classes.icon} /> : <span style={{ width: 14 }} />}
        <Icon size={16} stroke={1.7} aria-hidden className={classes.icon} />
        <span className={classes.name} title={name}>
          {name}
        </span>
        {branch.type !== undefined && (
          <span className={classes.type} title={branch.type}>
            {branch.type}
          </span>
        )}
        <ActionIcon
          size="sm"
          variant="subtle"
          tabIndex={-1}
          className={classes.insert}
          aria-label={`Insert ${name}`}
          onClick={(event) => {
            event.stopPropagation();
            onInsert();
          }}
        >
          <IconTextPlus size={14} />
        </ActionIcon>
      </div>
      {note !== undefined && (
        <div className={classes.note} style={{ paddingLeft: level * INDENT + 26 }}>
          {NOTES[note]}
        </div>
      )}
    </div>
  );
}
