import { useQueryClient } from "@tanstack/react-query";
import type { RefObject } from "react";

import { toastProblems } from "@/lib/toasts";
import type { Desk } from "./desk";
import type { SqlHandle } from "./editing";
import { cancel, explain, run } from "./running";
import type { Asked, Tab } from "./state";
import { splitStatements, statementAt, statementsWithin, type Span } from "./statements";

export interface Statements {
  /** What is selected, or the statement at the cursor. */
  run: () => void;
  runAll: () => void;
  explain: () => void;
  cancel: () => void;
  format: () => void;
}

/** What can be done with the statements of a tab. */
export function useStatements(desk: Desk, tab: Tab, editor: RefObject<SqlHandle | null>): Statements {
  const queries = useQueryClient();
  const { text } = tab;
  const chosen = (): Span[] => {
    const { from, to } = editor.current?.selection() ?? { from: 0, to: 0 };
    if (from !== to) return statementsWithin(text, from, to);
    const found = statementAt(text, from);
    return found === null ? [] : [found];
  };
  const asked = (spans: readonly Span[]): Asked[] => spans.map(({ from, sql }) => ({ sql, from, text }));
  return {
    run: () => void run(desk, queries, tab, asked(chosen())),
    runAll: () => void run(desk, queries, tab, asked(splitStatements(text))),
    explain: () => explain(desk, tab, asked(chosen())),
    cancel: () => {
      cancel(desk, tab.id).catch((error: unknown) => toastProblems(error, "It could not be stopped"));
    },
    format: () => {
      void import("./formatting").then(({ formatted }) => {
        const { from, to } = editor.current?.selection() ?? { from: 0, to: 0 };
        const [first, last] = from === to ? [0, text.length] : [from, to];
        try {
          editor.current?.replace(first, last, formatted(text.slice(first, last)));
        } catch {
          const hint = "run it: the server says where the mistake is";
          toastProblems(new Error(hint), "This is no SQL that can be formatted");
        }
      });
    },
  };
}
