import type { Problem } from "@/api/failure";
import type { components } from "@/api/schema";

export type Session = components["schemas"]["SqlSession"];
export type Bench = components["schemas"]["BenchAnswer"];
export type Answer = components["schemas"]["Rows"];

/** One text that is worked on. */
export interface Tab {
  id: number;
  title: string;
  text: string;
  /** null: the default one. */
  cluster: string | null;
  /** The kept bench that it came from, as it was then. */
  bench: Bench | null;
}

export type RunState = "waiting" | "running" | "finished" | "failed" | "cancelled" | "skipped";

/** One statement that was asked to run, or to be explained. */
export interface Run {
  id: number;
  tab: number;
  sql: string;
  /** Where it stood in the tab's text, and that text: problems are told by its lines. */
  from: number;
  text: string;
  explains: boolean;
  cluster: string | null;
  state: RunState;
  handle: string | null;
  began: number | null;
  ended: number | null;
  /** The first rows, and what else the statement told. */
  answer: Answer | null;
  problems: Problem[];
  /** The session that it ran in. */
  session: Session | null;
}

/** All that is on somebody's desk. */
export interface State {
  tabs: Tab[];
  active: number;
  runs: Run[];
  /** The result that each tab shows. */
  shown: Record<number, number>;
  /** What USE, SET SESSION and PREPARE said in each tab. */
  sessions: Record<number, Session>;
  next: number;
}

/** A tab without a text, under the first number that is free. */
function blank(id: number, others: readonly Tab[]): Tab {
  const taken = new Set(others.map((tab) => tab.title));
  let number = 1;
  while (taken.has(`Query ${number}`)) number += 1;
  return { id, title: `Query ${number}`, text: "", cluster: null, bench: null };
}

export const emptyState = (): State => ({
  tabs: [blank(1, [])],
  active: 1,
  runs: [],
  shown: {},
  sessions: {},
  next: 2,
});

/** Whether it has something that is kept nowhere else. */
export function isDirty(tab: Tab): boolean {
  if (tab.bench === null) return tab.text.trim() !== "";
  return tab.text !== tab.bench.sql || tab.cluster !== tab.bench.cluster;
}

export function activeTab(state: State): Tab {
  const found = state.tabs.find((tab) => tab.id === state.active) ?? state.tabs[0];
  if (found === undefined) throw new Error("a desk has a tab");
  return found;
}

/** Open a text in a tab of its own: in the one that has it already, in the active one if that is blank, else a new one. */
export function openTab(state: State, given: Partial<Omit<Tab, "id">> = {}): State {
  const { bench = null, text = "", cluster = null } = given;
  const same = state.tabs.find((tab) =>
    bench !== null ? tab.bench?.id === bench.id : text !== "" && tab.bench === null && tab.text === text,
  );
  if (same !== undefined) return { ...state, active: same.id };
  const active = activeTab(state);
  const takes = active.bench === null && active.text.trim() === "" && text !== "";
  const others = takes ? state.tabs.filter((tab) => tab.id !== active.id) : state.tabs;
  const id = state.next; // never the blank one's: an editor belongs to its id
  const made: Tab = { ...blank(id, others), ...given, text, cluster, bench };
  return {
    ...state,
    tabs: takes ? state.tabs.map((tab) => (tab.id === active.id ? made : tab)) : [...state.tabs, made],
    active: id,
    next: id + 1,
  };
}

/** Without a tab and its results; the last one leaves a blank one. */
export function closeTab(state: State, id: number): State {
  const position = state.tabs.findIndex((tab) => tab.id === id);
  const left = state.tabs.filter((tab) => tab.id !== id);
  const tabs = left.length > 0 ? left : [blank(state.next, [])];
  const beside = tabs[Math.min(Math.max(position, 0), tabs.length - 1)];
  return {
    ...state,
    tabs,
    active: state.active === id ? (beside?.id ?? state.active) : state.active,
    runs: state.runs.filter((run) => run.tab !== id),
    next: left.length > 0 ? state.next : state.next + 1,
  };
}

export const changeTab = (state: State, id: number, part: Partial<Tab>): State => ({
  ...state,
  tabs: state.tabs.map((tab) => (tab.id === id ? { ...tab, ...part } : tab)),
});

/** Texts that came from a bench which is gone stand for themselves. */
export const forgetBench = (state: State, id: string): State => ({
  ...state,
  tabs: state.tabs.map((tab) => (tab.bench?.id === id ? { ...tab, bench: null } : tab)),
});

/** The next statements of a tab begin without what USE and SET said. */
export const forgetSession = (state: State, tab: number): State => ({
  ...state,
  sessions: Object.fromEntries(Object.entries(state.sessions).filter(([id]) => Number(id) !== tab)),
});

export type Asked = Pick<Run, "sql" | "from" | "text">;

/** New statements of a tab take the place of its earlier results; the first is shown. */
export function addRuns(state: State, tab: Tab, asked: readonly Asked[], explains: boolean): State {
  const made = asked.map((one, position): Run => ({
    ...one,
    id: state.next + position,
    tab: tab.id,
    explains,
    cluster: tab.cluster,
    state: explains ? "finished" : "waiting",
    handle: null,
    began: null,
    ended: null,
    answer: null,
    problems: [],
    session: state.sessions[tab.id] ?? null,
  }));
  const first = made[0];
  return {
    ...state,
    runs: [...state.runs.filter((run) => run.tab !== tab.id), ...made],
    shown: first === undefined ? state.shown : { ...state.shown, [tab.id]: first.id },
    next: state.next + made.length,
  };
}

export const changeRun = (state: State, id: number, part: Partial<Run>): State => ({
  ...state,
  runs: state.runs.map((run) => (run.id === id ? { ...run, ...part } : run)),
});

export const runsOf = (state: State, tab: number): Run[] => state.runs.filter((run) => run.tab === tab);

export const isGoing = (run: Run): boolean => run.state === "waiting" || run.state === "running";

/** What outlives a reload: texts, no results. */
export const savedOf = ({ tabs, active, next }: State): unknown => ({ tabs, active, next });

/** A desk from what was saved; a blank one if that is no such thing. */
export function restored(saved: unknown): State {
  const { tabs, active, next } = (saved ?? {}) as Partial<State>;
  const good = Array.isArray(tabs) && tabs.length > 0 && tabs.every((t) => typeof t.id === "number");
  if (!good || typeof active !== "number" || typeof next !== "number") return emptyState();
  return { ...emptyState(), tabs, active, next };
}
