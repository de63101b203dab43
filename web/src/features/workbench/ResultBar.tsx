import { UnstyledButton } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type ReactElement } from "react";

import { StatusBadge } from "@/components/StatusBadge";
import { isTouched, notesOf } from "./notes";
import { statementQuery } from "./queries";
import classes from "./Results.module.css";
import type { Run } from "./state";
import { useElapsed } from "./useElapsed";
import { counted, lasted } from "./values";

/** The history has a statement a moment after it began. */
const KNOWN_AFTER_MS = 2000;

interface Props {
  run: Run;
  chosen: boolean;
  onChoose: () => void;
}

/** A statement in a line: how it goes, how long it took, what it returned, whether policies changed that. */
export function ResultBar({ run, chosen, onChoose }: Props): ReactElement {
  const going = run.state === "running";
  const elapsed = useElapsed(run.began, run.ended);
  const enabled = run.handle !== null && (!going || elapsed > KNOWN_AFTER_MS);
  const { data } = useQuery({ ...statementQuery(run.handle ?? "", going), enabled });
  const queued = going && data?.state === "queued";
  const { answer } = run;
  const facts = [
    run.began === null ? "" : lasted(elapsed),
    queued ? data.reason : "",
    answer === null ? "" : countOf(answer),
    answer?.truncated === true ? "cut" : "",
  ].filter((fact) => fact !== "");
  return (
    <UnstyledButton
      className={classes.bar}
      data-chosen={chosen}
      aria-current={chosen ? "true" : undefined}
      onClick={onChoose}
    >
      <StatusBadge state={run.explains ? "explained" : queued ? "queued" : run.state} />
      {facts.length > 0 && <span className={classes.facts}>{facts.join(" · ")}</span>}
      {!going && isTouched(notesOf(data?.tables ?? [])) && (
        <span className={classes.touched}>
          <IconAlertTriangle size={16} aria-hidden /> policies applied
        </span>
      )}
      <span className={classes.sql}>{run.sql.replace(/\s+/g, " ")}</span>
    </UnstyledButton>
  );
}

function countOf(answer: NonNullable<Run["answer"]>): string {
  const { updateType, updateCount, columns, rowCount } = answer;
  if (typeof updateType === "string") {
    return typeof updateCount === "number" ? `${updateType}: ${counted(updateCount, "row")}` : updateType;
  }
  return `${counted(rowCount ?? 0, "row")} · ${counted(columns.length, "column")}`;
}
