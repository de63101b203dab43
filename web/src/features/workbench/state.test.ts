import { describe, expect, it } from "vitest";

import {
  activeTab,
  addRuns,
  changeRun,
  changeTab,
  closeTab,
  emptyState,
  isDirty,
  openTab,
  restored,
  runsOf,
  savedOf,
  type Bench,
} from "./state";

const bench: Bench = {
  id: "b1",
  owner: "ana",
  name: "Sales",
  sql: "SELECT 1",
  cluster: null,
  sharing: "private",
  tags: [],
  version: 1,
  created: "",
  updated: "",
};

describe("openTab", () => {
  it("takes a blank tab, opens another beside one with a text, and goes to what is open already", () => {
    const first = openTab(emptyState(), { text: "SELECT 1" });
    expect(first.tabs.map((t) => [t.title, t.text])).toEqual([["Query 1", "SELECT 1"]]);
    expect(first.active).not.toBe(1); // another editor
    const second = openTab(first, { text: "SELECT 2" });
    expect(second.tabs.map((t) => t.text)).toEqual(["SELECT 1", "SELECT 2"]);
    expect(openTab(second, { text: "SELECT 1" }).active).toBe(first.active);
    expect(openTab(second).tabs.map((t) => t.title)).toEqual(["Query 1", "Query 2", "Query 3"]);
  });

  it("opens a bench once", () => {
    const state = openTab(emptyState(), { text: bench.sql, title: bench.name, bench });
    const changed = changeTab(state, state.active, { text: "SELECT 2" });
    expect(openTab(changed, { text: bench.sql, bench }).tabs).toHaveLength(1);
    expect([isDirty(activeTab(state)), isDirty(activeTab(changed))]).toEqual([false, true]);
  });
});

it("closing a tab goes to the one beside it, and the last leaves a blank one", () => {
  const two = openTab(openTab(emptyState(), { text: "SELECT 1" }), { text: "SELECT 2" });
  const one = closeTab(two, two.active);
  expect(activeTab(one).text).toBe("SELECT 1");
  const none = closeTab(one, one.active);
  expect(none.tabs.map((t) => t.text)).toEqual([""]);
  expect(none.active).toBe(none.tabs[0]?.id);
});

it("results of a tab are replaced by its next ones, and go with it", () => {
  const state = openTab(emptyState(), { text: "SELECT 1; SELECT 2" });
  const tab = state.active;
  const asked = ["SELECT 1", "SELECT 2"].map((sql) => ({ sql, from: 0, text: sql }));
  const ran = addRuns(state, activeTab(state), asked, false);
  expect(runsOf(ran, tab).map((r) => r.state)).toEqual(["waiting", "waiting"]);
  expect(ran.shown[tab]).toBe(runsOf(ran, tab)[0]?.id);
  const failed = changeRun(ran, ran.shown[tab] ?? 0, { state: "failed" });
  expect(runsOf(failed, tab).map((r) => r.state)).toEqual(["failed", "waiting"]);
  const again = addRuns(failed, activeTab(failed), asked.slice(1), false);
  expect(runsOf(again, tab).map((r) => r.sql)).toEqual(["SELECT 2"]);
  expect(closeTab(again, tab).runs).toEqual([]);
});

it("texts outlive a reload, results do not, and nonsense is a blank desk", () => {
  const state = openTab(emptyState(), { text: "SELECT 1" });
  const ran = addRuns(state, activeTab(state), [{ sql: "SELECT 1", from: 0, text: "SELECT 1" }], false);
  const back = restored(JSON.parse(JSON.stringify(savedOf(ran))));
  expect(back.tabs).toEqual(ran.tabs);
  expect(back.runs).toEqual([]);
  for (const wrong of [null, 1, {}, { tabs: [] }, { tabs: [1], active: 1 }]) {
    expect(restored(wrong)).toEqual(emptyState());
  }
});
