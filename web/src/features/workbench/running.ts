import type { QueryClient } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import { Failure, problemsOf } from "@/api/failure";
import type { Desk } from "./desk";
import { PAGE, partOf, SOURCE } from "./queries";
import {
  addRuns,
  changeRun,
  isGoing,
  runsOf,
  type Answer,
  type Asked,
  type Run,
  type RunState,
  type Session,
  type Tab,
} from "./state";
import { changesCatalog } from "./statements";

const WAIT_S = 15;
const AGAIN_MS = 1000;
const TRIES = 5;

/** Run statements one after the other; what comes after one that fails, or is stopped, is left out. */
export async function run(desk: Desk, queries: QueryClient, tab: Tab, asked: readonly Asked[]): Promise<void> {
  if (asked.length === 0 || runsOf(desk.get(), tab.id).some(isGoing)) return;
  const stop = new AbortController();
  desk.stops.set(tab.id, stop);
  desk.change((state) => addRuns(state, tab, asked, false));
  let ends: RunState = "finished";
  for (const { id, sql } of runsOf(desk.get(), tab.id)) {
    if (stop.signal.aborted && ends === "finished") ends = "cancelled";
    if (ends === "finished") ends = await runOne(desk, tab, id, stop.signal);
    else desk.change((state) => changeRun(state, id, { state: "skipped" }));
    if (ends === "finished" && changesCatalog(sql)) void queries.invalidateQueries({ queryKey: ["catalog"] });
  }
  void queries.invalidateQueries({ queryKey: ["statements"] });
}

/** Show plans and policies of statements, without running them. */
export function explain(desk: Desk, tab: Tab, asked: readonly Asked[]): void {
  if (asked.length === 0 || runsOf(desk.get(), tab.id).some(isGoing)) return;
  desk.change((state) => addRuns(state, tab, asked, true));
}

/** Stop what a tab runs. */
export async function cancel(desk: Desk, tab: number): Promise<void> {
  const going = runsOf(desk.get(), tab).find((one) => one.state === "running");
  desk.stops.get(tab)?.abort();
  if (typeof going?.handle !== "string") return;
  await answer(api.DELETE("/api/v1/queries/{id}", { params: { path: { id: going.handle } } }));
}

async function runOne(desk: Desk, tab: Tab, id: number, stop: AbortSignal): Promise<RunState> {
  const change = (part: Partial<Run>): void => desk.change((state) => changeRun(state, id, part));
  const session = desk.get().sessions[tab.id] ?? null;
  change({ state: "running", began: Date.now(), session });
  desk.change((state) => ({ ...state, shown: { ...state.shown, [tab.id]: id } }));
  let ends: Partial<Run>;
  try {
    const sql = desk.get().runs.find((one) => one.id === id)?.sql ?? "";
    const handle = await submit(sql, tab.cluster, session);
    change({ handle });
    if (stop.aborted) await answer(api.DELETE("/api/v1/queries/{id}", { params: { path: { id: handle } } }));
    const told = await fetchAnswer(handle);
    const next = told.session;
    if (next) desk.change((state) => ({ ...state, sessions: { ...state.sessions, [tab.id]: next } }));
    ends = { state: "finished", answer: told };
  } catch (error) {
    const cancelled = error instanceof Failure && error.code === "query.cancelled";
    ends = { state: cancelled ? "cancelled" : "failed", problems: problemsOf(error) };
  }
  change({ ...ends, ended: Date.now() });
  return ends.state ?? "failed";
}

async function submit(sql: string, cluster: string | null, session: Session | null): Promise<string> {
  const body = { sql, cluster, session, source: SOURCE };
  return (await answer(api.POST("/api/v1/queries", { body }))).id;
}

/** Waits for the end of a statement; a server that does not answer for a moment is asked again. */
async function fetchAnswer(handle: string): Promise<Answer> {
  for (let unreached = 0; ;) {
    try {
      return await partOf(handle, 0, PAGE, WAIT_S);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.code === "query.unfinished") unreached = 0;
      else if (error.status !== 0 || ++unreached > TRIES) throw error;
      else await new Promise((done) => window.setTimeout(done, AGAIN_MS));
    }
  }
}
