import { Checkbox, Stack } from "@mantine/core";
import { IconTable } from "@tabler/icons-react";
import { useState, type ReactElement } from "react";

import { EmptyState } from "@/components/EmptyState";
import { Compared } from "./Compared";
import type { Desk } from "./desk";
import { ResultBar } from "./ResultBar";
import classes from "./Results.module.css";
import { ResultView } from "./ResultView";
import type { View } from "./routes";
import type { Run } from "./state";

interface Props {
  desk: Desk;
  runs: readonly Run[];
  chosen: number | undefined;
  view: View | undefined;
  onView: (view: View) => void;
  onGo: (line: number, column: number) => void;
}

/** What the statements of a text returned, one bar for each; one of them in full, or two beside each other. */
export function Results({ desk, runs, chosen, view, onView, onGo }: Props): ReactElement {
  const [ticked, setTicked] = useState<number[]>([]);
  const shown = runs.find((run) => run.id === chosen) ?? runs[0];
  if (shown === undefined) {
    return (
      <EmptyState icon={<IconTable />} title="Nothing has run yet">
        Write a statement, or take a name from the catalog, and press Ctrl Enter.
      </EmptyState>
    );
  }
  const compared = runs.filter((run) => ticked.includes(run.id));
  // a third one takes the place of the first
  const tick = (id: number, on: boolean): void =>
    setTicked(
      [...ticked.filter((one) => one !== id && runs.some((run) => run.id === one)), ...(on ? [id] : [])].slice(-2),
    );
  return (
    <Stack gap="sm" component="section" aria-label="Results">
      <ul className={classes.bars}>
        {runs.map((run) => (
          <li key={run.id} className={classes.line}>
            {runs.length > 1 && (
              <Checkbox
                aria-label={`Compare ${run.sql.slice(0, 80)}`}
                title="Compare"
                disabled={run.answer === null}
                checked={ticked.includes(run.id)}
                onChange={(event) => tick(run.id, event.currentTarget.checked)}
              />
            )}
            <ResultBar
              run={run}
              chosen={run.id === shown.id}
              onChoose={() => desk.change((old) => ({ ...old, shown: { ...old.shown, [run.tab]: run.id } }))}
            />
          </li>
        ))}
      </ul>
      {compared.length === 2 ? (
        <Compared runs={compared} />
      ) : (
        <ResultView key={shown.id} run={shown} view={view} onView={onView} onGo={onGo} />
      )}
    </Stack>
  );
}
