import { IconAlertCircle, IconAlertTriangle } from "@tabler/icons-react";
import type { ReactElement } from "react";

import type { Problem } from "@/api/failure";
import classes from "./ProblemList.module.css";

interface Props {
  problems: readonly Problem[];
  tone?: "bad" | "warn";
  /** Go to where a problem is, where it has a line. */
  onGo?: (problem: Problem) => void;
}

/** The server's Problems, as it says them: message, hint, place and code. */
export function ProblemList({ problems, tone = "bad", onGo }: Props): ReactElement {
  const Icon = tone === "bad" ? IconAlertCircle : IconAlertTriangle;
  return (
    <ul className={classes.list}>
      {problems.map((problem, position) => (
        <li key={`${problem.code}-${position}`} className={classes.problem} data-tone={tone}>
          <Icon size={18} aria-hidden className={classes.icon} />
          <div className={classes.words}>
            <p className={classes.message}>{problem.message}</p>
            {problem.hint !== undefined && problem.hint !== "" && <p className={classes.hint}>{problem.hint}</p>}
            <p className={classes.place}>
              <code>{problem.code}</code>
              {typeof problem.path === "string" && <code>{problem.path}</code>}
              {typeof problem.line === "number" && <Place problem={problem} onGo={onGo} />}
            </p>
          </div>
        </li>
      ))}
    </ul>
  );
}

function Place({ problem, onGo }: { problem: Problem; onGo?: (problem: Problem) => void }): ReactElement {
  const column = typeof problem.column === "number" ? `:${problem.column}` : "";
  const text = `line ${String(problem.line)}${column}`;
  if (onGo === undefined) return <span>{text}</span>;
  return (
    <button type="button" className={classes.go} onClick={() => onGo(problem)}>
      {text}
    </button>
  );
}
