import type { Card } from "./queries";
import type { Group } from "./search";

/** What stands in one line of the list: the head of a group, or as many cards as the page is wide. */
export type Row =
  | { kind: "head"; id: string; title: string; count: number; open: boolean }
  | { kind: "cards"; id: string; cards: Card[] };

/** For what has no value of the kind that groups. It comes last. */
export const OTHERS = "Others";

const valuesOf = (card: Card, group: Group): string[] =>
  group === "usecase" ? card.useCases : group === "domain" ? card.domains : [];

/** Groups by name, each with its cards in the order that they came in. A product of several values is in each. */
export function groupsOf(cards: readonly Card[], group: Group): [string, Card[]][] {
  const found = new Map<string, Card[]>();
  const rest: Card[] = [];
  for (const card of cards) {
    const values = new Set(valuesOf(card, group));
    if (values.size === 0) rest.push(card);
    for (const value of values) found.set(value, [...(found.get(value) ?? []), card]);
  }
  const groups = [...found].sort(([a], [b]) => a.localeCompare(b));
  return rest.length > 0 ? [...groups, [OTHERS, rest]] : groups;
}

/** Lines of the list. `closed`: groups of which the head is shown only. */
export function rowsOf(
  cards: readonly Card[],
  group: Group,
  perRow: number,
  closed: ReadonlySet<string> = new Set(),
): Row[] {
  if (group === "none") return chunked(cards, perRow, "");
  return groupsOf(cards, group).flatMap(([title, of]) => {
    const open = !closed.has(title);
    const head: Row = { kind: "head", id: `head ${title}`, title, count: of.length, open };
    return [head, ...(open ? chunked(of, perRow, title) : [])];
  });
}

function chunked(cards: readonly Card[], perRow: number, title: string): Row[] {
  const found: Row[] = [];
  for (let start = 0; start < cards.length; start += perRow) {
    const some = cards.slice(start, start + perRow);
    found.push({ kind: "cards", id: `cards ${title} ${start}`, cards: some });
  }
  return found;
}
