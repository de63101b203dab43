import { ActionIcon, Group, Text, TextInput, Title, Tooltip } from "@mantine/core";
import { IconRefresh, IconSearch } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useRef, useState, type KeyboardEvent, type ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { COLUMN_LEVEL, linesOf, type Line } from "./branches";
import classes from "./CatalogTree.module.css";
import { dotted, quoted } from "./names";
import { TreeLine } from "./TreeLine";
import { useBranches } from "./useBranches";

const HEIGHT = 30;

interface Props {
  cluster: string | null;
  find: string;
  onFind: (find: string) => void;
  onInsert: (text: string) => void;
}

/** What a Cluster has, as far as policies let the reader see it; read as it is opened. Not drawn anew as one types. */
export const CatalogTree = memo(function CatalogTree({ cluster, find, onFind, onInsert }: Props): ReactElement {
  const queries = useQueryClient();
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [at, setAt] = useState(0);
  const { below, error, pending, refetch } = useBranches(cluster, open);
  const lines = linesOf(below, open, find);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: (position) => (lines[position]?.note === undefined ? HEIGHT : HEIGHT * 2),
    getItemKey: (position) => `${lines[position]?.key ?? position} ${lines[position]?.note ?? ""}`,
    overscan: 12,
  });
  const current = Math.min(at, lines.length - 1);
  const move = (to: number): void => {
    const next = Math.min(Math.max(to, 0), lines.length - 1);
    setAt(next);
    virtual.scrollToIndex(next);
  };
  const toggle = (line: Line, wanted: boolean): void => {
    if (line.level === COLUMN_LEVEL) return;
    const next = new Set(open);
    if (wanted) next.add(line.key);
    else next.delete(line.key);
    setOpen(next);
  };
  const insert = ({ branch, level }: Line): void =>
    onInsert(level === COLUMN_LEVEL ? quoted(branch.path.at(-1) ?? "") : dotted(...branch.path));
  const press = (event: KeyboardEvent): void => {
    const line = lines[current];
    if (line === undefined) return;
    const parent = lines.findLastIndex((one, position) => position < current && one.level < line.level);
    const actions: Record<string, () => void> = {
      ArrowDown: () => move(current + 1),
      ArrowUp: () => move(current - 1),
      Home: () => move(0),
      End: () => move(lines.length - 1),
      ArrowRight: () => (line.open ? move(current + 1) : toggle(line, true)),
      ArrowLeft: () => (line.open ? toggle(line, false) : parent >= 0 && move(parent)),
      Enter: () => insert(line),
      " ": () => toggle(line, !line.open),
    };
    const action = actions[event.key];
    if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  };
  return (
    <section className={classes.pane} aria-label="Catalog">
      <Group justify="space-between" wrap="nowrap">
        <Title order={2}>Catalog</Title>
        <Tooltip label="Read the catalog again">
          <ActionIcon
            variant="subtle"
            aria-label="Read the catalog again"
            onClick={() => void queries.invalidateQueries({ queryKey: ["catalog", cluster] })}
          >
            <IconRefresh size={16} />
          </ActionIcon>
        </Tooltip>
      </Group>
      <TextInput
        type="search"
        data-search
        aria-label="Search what is open"
        placeholder="Search what is open"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={find}
        onChange={(event) => onFind(event.currentTarget.value)}
      />
      {error !== null && <ErrorState error={error} title="The catalog cannot be shown" onRetry={refetch} />}
      {pending && error === null && <Skeletons rows={5} height={24} />}
      {!pending && error === null && lines.length === 0 && (
        <Text size="sm" c="dimmed">
          {find === ""
            ? "This Cluster shows you no catalog: ask for a Depot to be added to it, or for access."
            : "Nothing that was opened has that name."}
        </Text>
      )}
      {lines.length > 0 && (
        <div ref={scroller} className={classes.scroller}>
          <div
            role="tree"
            aria-label="Catalogs, schemas, tables, columns"
            tabIndex={0}
            aria-activedescendant={`branch-${current}`}
            className={classes.tree}
            style={{ height: virtual.getTotalSize() }}
            onKeyDown={press}
          >
            {virtual.getVirtualItems().map((item) => {
              const line = lines[item.index];
              if (line === undefined) return null;
              return (
                <TreeLine
                  key={item.key}
                  id={`branch-${item.index}`}
                  line={line}
                  active={item.index === current}
                  top={item.start}
                  height={item.size}
                  onChoose={() => {
                    setAt(item.index);
                    toggle(line, !line.open);
                  }}
                  onInsert={() => insert(line)}
                />
              );
            })}
          </div>
        </div>
      )}
    </section>
  );
});
