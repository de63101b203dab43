import { Skeleton } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useState, type ReactElement } from "react";

import { GroupHead } from "./GroupHead";
import { ProductCard } from "./ProductCard";
import classes from "./ProductCards.module.css";
import type { Card } from "./queries";
import { rowsOf } from "./rows";
import type { Group } from "./search";

interface Props {
  cards: readonly Card[];
  group: Group;
  /** These are not all: others come. */
  loading: boolean;
  /** `onMore` may be called now. */
  more: boolean;
  onMore: () => void;
  onPreview: (name: string) => void;
}

const CARD_WIDTH = 320;
const GAP = 16;
const CARD_HEIGHT = 176 + GAP;
const HEAD_HEIGHT = 52;
const NEAR = 6;

/** Cards in as many columns as fit. Only lines in sight are drawn, so that thousands are no burden. */
export function ProductCards({ cards, group, loading, more, onMore, onPreview }: Props): ReactElement {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const [place, setPlace] = useState<HTMLElement | null>(null);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const perRow = Math.max(1, Math.floor((width + GAP) / (CARD_WIDTH + GAP)));
  const rows = useMemo(() => rowsOf(cards, group, perRow, closed), [cards, group, perRow, closed]);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: (position) => (rows[position]?.kind === "head" ? HEAD_HEIGHT : CARD_HEIGHT),
    getItemKey: (position) => rows[position]?.id ?? position,
    scrollMargin: place?.offsetTop ?? 0,
    overscan: 4,
  });
  const { measure } = virtual;
  useEffect(() => measure(), [rows, measure]); // heights go by position
  const items = virtual.getVirtualItems();
  const atEnd = (items.at(-1)?.index ?? 0) >= rows.length - NEAR;
  useEffect(() => {
    if (more && atEnd) onMore();
  }, [more, atEnd, onMore]);
  const toggle = (title: string): void =>
    setClosed((old) => new Set(old.has(title) ? [...old].filter((t) => t !== title) : [...old, title]));
  return (
    <div ref={setPlace}>
      <div ref={ref} className={classes.list} style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index];
          if (row === undefined) return null;
          const top = item.start - virtual.options.scrollMargin;
          return (
            <div key={item.key} className={classes.row} style={{ transform: `translateY(${top}px)` }}>
              {row.kind === "head" ? (
                <GroupHead title={row.title} count={row.count} open={row.open} onToggle={() => toggle(row.title)} />
              ) : (
                <div className={classes.cards} style={{ gridTemplateColumns: `repeat(${perRow}, minmax(0, 1fr))` }}>
                  {row.cards.map((card) => (
                    <ProductCard key={card.id} card={card} group={group} onPreview={() => onPreview(card.name)} />
                  ))}
                </div>
              )}
            </div>
          );
        })}
      </div>
      {loading && <Skeleton height={CARD_HEIGHT - GAP} radius="md" aria-label="Loading more" role="status" />}
    </div>
  );
}
