import { Button, Stack } from "@mantine/core";
import { IconBookmarks, IconHistory, IconLayoutSidebar } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useRef, useState, type ReactElement } from "react";

import { useMe } from "@/app/me";
import { problemsOf, type Problem } from "@/api/failure";
import { PageHeader } from "@/components/PageHeader";
import { ProblemList } from "@/components/ProblemList";
import { BenchesDrawer } from "./BenchesDrawer";
import { CatalogTree } from "./CatalogTree";
import { deskOf, useDesk } from "./desk";
import type { SqlHandle } from "./editing";
import { HistoryDrawer } from "./HistoryDrawer";
import { shifted } from "./places";
import { Results } from "./Results";
import type { View, WorkbenchSearch } from "./routes";
import { SaveDialog } from "./SaveDialog";
import { SqlEditor } from "./SqlEditor";
import { activeTab, changeTab, forgetBench, openTab } from "./state";
import { TabBar } from "./TabBar";
import { Toolbar } from "./Toolbar";
import { useOpening } from "./useOpening";
import { useStatements } from "./useStatements";
import classes from "./WorkbenchPage.module.css";

const NONE: Problem[] = [];

/** Write statements, run them, look at what they return; all under the policies of who is signed in. */
export default function WorkbenchPage(): ReactElement {
  const { user } = useMe();
  const [desk] = useState(() => deskOf(user.id));
  const state = useDesk(desk);
  const tab = activeTab(state);
  const search = useSearch({ from: "/shell/workbench" });
  const navigate = useNavigate({ from: "/workbench" });
  const editor = useRef<SqlHandle>(null);
  const [browsing, setBrowsing] = useState(() => window.matchMedia("(min-width: 1000px)").matches);
  const [saving, setSaving] = useState(false);
  const failed = useOpening(desk);
  const statements = useStatements(desk, tab, editor);
  const { runs: all } = state;
  const runs = useMemo(() => all.filter((run) => run.tab === tab.id), [all, tab.id]);
  // once the text is another one, its lines are others
  const problems = useMemo(() => {
    const found = runs.filter((run) => run.text === tab.text && run.problems.length > 0);
    return found.length === 0 ? NONE : found.flatMap((run) => shifted(run.problems, run.text, run.from));
  }, [runs, tab.text]);
  const around = { cluster: tab.cluster, session: state.sessions[tab.id] ?? null };
  const change = useCallback(
    (part: WorkbenchSearch): void => void navigate({ search: (old) => ({ ...old, ...part }), replace: true }),
    [navigate],
  );
  const look = useCallback((view: View) => change({ view }), [change]);
  const seek = useCallback((find: string) => change({ find: find === "" ? undefined : find }), [change]);
  const insert = useCallback((text: string) => editor.current?.insert(text), []);
  const go = useCallback((line: number, column: number) => editor.current?.go(line, column), []);
  const close = (): void => change({ panel: undefined });
  return (
    <>
      <PageHeader
        title="Workbench"
        description="Statements run as you, under your policies."
        actions={
          <>
            <Button
              variant="default"
              aria-expanded={browsing}
              leftSection={<IconLayoutSidebar size={16} aria-hidden />}
              onClick={() => setBrowsing(!browsing)}
            >
              Catalog
            </Button>
            <Button
              variant="default"
              leftSection={<IconBookmarks size={16} aria-hidden />}
              onClick={() => change({ panel: "benches" })}
            >
              Saved benches
            </Button>
            <Button
              variant="default"
              leftSection={<IconHistory size={16} aria-hidden />}
              onClick={() => change({ panel: "history" })}
            >
              History
            </Button>
          </>
        }
      />
      <div className={classes.page} data-browsing={browsing}>
        {browsing && (
          <CatalogTree
            key={tab.cluster ?? ""}
            cluster={tab.cluster}
            find={search.find ?? ""}
            onFind={seek}
            onInsert={insert}
          />
        )}
        <Stack gap="sm" className={classes.work}>
          {failed !== null && <ProblemList problems={problemsOf(failed)} />}
          <TabBar desk={desk} state={state} />
          <Toolbar desk={desk} state={state} tab={tab} statements={statements} onSave={() => setSaving(true)} />
          <SqlEditor
            key={tab.id}
            ref={editor}
            desk={desk}
            tab={tab.id}
            text={tab.text}
            around={around}
            problems={problems}
            onChange={(text) => desk.change((old) => changeTab(old, tab.id, { text }))}
            onRun={statements.run}
            onRunAll={statements.runAll}
            onExplain={statements.explain}
          />
          <Results desk={desk} runs={runs} chosen={state.shown[tab.id]} view={search.view} onView={look} onGo={go} />
        </Stack>
      </div>
      <HistoryDrawer
        opened={search.panel === "history"}
        onClose={close}
        onOpen={(given) => {
          desk.change((old) => openTab(old, given));
          close();
        }}
      />
      <BenchesDrawer
        opened={search.panel === "benches"}
        onClose={close}
        onOpen={(bench) => {
          desk.change((old) => openTab(old, { text: bench.sql, title: bench.name, cluster: bench.cluster, bench }));
          close();
        }}
        onDeleted={(id) => desk.change((old) => forgetBench(old, id))}
      />
      {saving && (
        <SaveDialog
          tab={tab}
          onClose={() => setSaving(false)}
          onSaved={(bench) => {
            desk.change((old) => changeTab(old, tab.id, { bench, title: bench.name }));
            setSaving(false);
          }}
        />
      )}
    </>
  );
}
