import type { Diagnostic } from "@codemirror/lint";
import type { Text } from "@codemirror/state";

import type { Problem } from "@/api/failure";

/** Where problems with a line stand in a text: from their column to the end of the word, else the whole line. */
export function marksOf(doc: Text, problems: readonly Problem[]): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const problem of problems) {
    if (typeof problem.line !== "number" || problem.line < 1) continue;
    const line = doc.line(Math.min(problem.line, doc.lines));
    const from = Math.min(line.from + Math.max((problem.column ?? 1) - 1, 0), line.to);
    const word = /^[^\s:,]+/.exec(line.text.slice(from - line.from));
    const to = word === null ? line.to : from + word[0].length;
    const message = problem.hint ? `${problem.message}\n${problem.hint}` : problem.message;
    found.push({ from: from === line.to ? line.from : from, to, severity: "error", message });
  }
  return found.sort((a, b) => a.from - b.from);
}
