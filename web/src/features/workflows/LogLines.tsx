import { ActionIcon, Group, Switch, Text } from "@mantine/core";
import { IconChevronDown, IconChevronUp } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState, type ReactElement } from "react";

import { SearchBox } from "@/components/SearchBox";
import classes from "./LogLines.module.css";
import { foundIn, piecesOf } from "./logs";

interface Props {
  lines: readonly string[];
  label: string;
  /** More may come. */
  follows: boolean;
}

const LINE_HEIGHT = 20;
const NEAR_END = LINE_HEIGHT * 2;

/** Lines of a log, of which only those in sight are drawn; with a search. Stays at the end until one scrolls away. */
export function LogLines({ lines, label, follows }: Props): ReactElement {
  const scroller = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const [wanted, setWanted] = useState("");
  const [place, setPlace] = useState(0);
  const found = useMemo(() => foundIn(lines, wanted), [lines, wanted]);
  // eslint-disable-next-line react-hooks/incompatible-library -- what it returns is used here and not handed on
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_HEIGHT,
    overscan: 20,
  });
  useEffect(() => {
    const box = scroller.current;
    if (atEnd && box !== null) box.scrollTop = box.scrollHeight;
  }, [atEnd, lines]);

  const go = (number: number): void => {
    const line = found.at(number);
    if (line === undefined) return;
    setPlace(number);
    setAtEnd(false);
    virtual.scrollToIndex(line, { align: "center" });
  };
  const search = (text: string): void => {
    setWanted(text);
    setPlace(0);
    const first = foundIn(lines, text)[0];
    if (first !== undefined) {
      setAtEnd(false);
      virtual.scrollToIndex(first, { align: "center" });
    }
  };
  const next = (place + 1) % Math.max(found.length, 1);
  const previous = (place - 1 + found.length) % Math.max(found.length, 1);
  return (
    <div>
      <Group gap="xs" mb="xs">
        <SearchBox label="Search the log" value={wanted} onChange={search} />
        {wanted !== "" && (
          <>
            <Text size="sm" role="status">
              {found.length === 0 ? "not found" : `${place + 1} of ${found.length} lines`}
            </Text>
            <ActionIcon
              variant="default"
              aria-label="Previous line found"
              disabled={found.length === 0}
              onClick={() => go(previous)}
            >
              <IconChevronUp size={16} />
            </ActionIcon>
            <ActionIcon
              variant="default"
              aria-label="Next line found"
              disabled={found.length === 0}
              onClick={() => go(next)}
            >
              <IconChevronDown size={16} />
            </ActionIcon>
          </>
        )}
        {follows && (
          <Switch label="Follow" checked={atEnd} onChange={(event) => setAtEnd(event.currentTarget.checked)} />
        )}
      </Group>
      {/* a region that scrolls must be reachable by keyboard */}
      {/* eslint-disable jsx-a11y/no-noninteractive-tabindex */}
      <div
        ref={scroller}
        className={classes.box}
        role="region"
        aria-label={label}
        tabIndex={0}
        onScroll={({ currentTarget: box }) => setAtEnd(box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END)}
      >
        {/* eslint-enable jsx-a11y/no-noninteractive-tabindex */}
        <div className={classes.all} style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => (
            <div
              key={item.key}
              className={classes.line}
              data-current={found.at(place) === item.index || undefined}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <span className={classes.number} aria-hidden>
                {item.index + 1}
              </span>
              {piecesOf(lines[item.index] ?? "", wanted).map((piece, position) =>
                position % 2 === 1 ? <mark key={position}>{piece}</mark> : piece,
              )}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}
