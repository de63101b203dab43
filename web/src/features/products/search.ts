/** What the list of products shows, kept in the address so that a view can be sent to somebody. */
export interface ListSearch {
  q?: string;
  tier?: string[];
  domain?: string[];
  usecase?: string[];
  stage?: string[];
  /** `Group.value` of the organisation's own groups. */
  tag?: string[];
  owner?: string;
  only?: Only;
  sort?: string;
  group?: Group;
  view?: "table";
  /** The product whose quick facts are shown. */
  preview?: string;
}

export type Only = "favorite" | "recent";
export type Group = "usecase" | "domain" | "none";

const ONLY: readonly Only[] = ["favorite", "recent"];
const GROUPS: readonly Group[] = ["usecase", "domain", "none"];
const LISTS = ["tier", "domain", "usecase", "stage", "tag"] as const;
type ListKey = (typeof LISTS)[number];

/** Orders that the server knows, with their names. */
export const SORTS: readonly (readonly [string, string])[] = [
  ["title", "Title, A to Z"],
  ["-title", "Title, Z to A"],
  ["-updated", "Last changed"],
  ["-created", "Newest"],
];

const words = (value: unknown): string[] | undefined => {
  const found = Array.isArray(value) ? value.filter((word) => typeof word === "string") : [];
  return found.length > 0 ? found : undefined;
};
const word = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
const oneOf = <T extends string>(known: readonly T[], value: unknown): T | undefined =>
  known.find((one) => one === value);

/** The address as it was typed, or sent by somebody: what is not known is left out. */
export function readSearch(raw: Record<string, unknown>): ListSearch {
  return {
    q: word(raw.q),
    tier: words(raw.tier),
    domain: words(raw.domain),
    usecase: words(raw.usecase),
    stage: words(raw.stage),
    tag: words(raw.tag),
    owner: word(raw.owner),
    only: oneOf(ONLY, raw.only),
    sort: oneOf(
      SORTS.map(([id]) => id),
      raw.sort,
    ),
    group: oneOf(GROUPS, raw.group),
    view: raw.view === "table" ? "table" : undefined,
    preview: word(raw.preview),
  };
}

/** As the server's list takes it. */
export function wantedOf(search: ListSearch) {
  const { q, tier, domain, usecase, stage, tag, owner, only, sort } = search;
  return {
    q,
    tier,
    domain,
    usecase,
    stage,
    tag,
    owner,
    sort,
    favorite: only === "favorite" ? true : undefined,
    recent: only === "recent" ? true : undefined,
  };
}

export type Wanted = ReturnType<typeof wantedOf>;

const isList = (id: string): id is ListKey => LISTS.some((key) => key === id);
const PREFIX = "tag.";

/** Values of a filter group that are chosen. `id`: as the server names the group (`tier`, `tag.Team`, `owner`). */
export function chosenOf(search: ListSearch, id: string): string[] {
  if (id === "owner") return search.owner === undefined ? [] : [search.owner];
  if (id.startsWith(PREFIX)) {
    const group = `${id.slice(PREFIX.length)}.`;
    return (search.tag ?? []).filter((tag) => tag.startsWith(group)).map((tag) => tag.slice(group.length));
  }
  return isList(id) ? (search[id] ?? []) : [];
}

/** The same list with other values of one group. There is one owner at a time: the one that was chosen last. */
export function withChosen(search: ListSearch, id: string, values: readonly string[]): ListSearch {
  if (id === "owner") return { ...search, owner: values.at(-1) };
  if (id.startsWith(PREFIX)) {
    const group = `${id.slice(PREFIX.length)}.`;
    const others = (search.tag ?? []).filter((tag) => !tag.startsWith(group));
    return { ...search, tag: words([...others, ...values.map((value) => group + value)]) };
  }
  return isList(id) ? { ...search, [id]: words([...values]) } : search;
}

/** How many values are chosen, of all groups. */
export function countChosen(search: ListSearch): number {
  const lists = LISTS.reduce((sum, key) => sum + (search[key]?.length ?? 0), 0);
  return lists + (search.owner === undefined ? 0 : 1);
}

/** The list without filters and search; order, grouping and view stay. */
export function cleared({ only, sort, group, view }: ListSearch): ListSearch {
  return { only, sort, group, view };
}

/** Lists in an order of their own are not grouped, unless somebody asks for it. */
export function groupingOf(search: ListSearch): Group {
  return search.group ?? (search.only === undefined && search.sort === undefined ? "usecase" : "none");
}

/** How many there are: "1 product", "12 products match". */
export function countWords(total: number, filtered: boolean): string {
  const products = total === 1 ? "1 product" : `${total} products`;
  if (!filtered) return products;
  return `${products} ${total === 1 ? "matches" : "match"}`;
}
