import type { Problem } from "@/api/failure";

/** Messages begin with the place, too, which is another one here. */
const PLACE = /^line \d+:\d+: /;

/** Problems of a text with a line before it, at their lines in the text without it. */
export const above = (problems: readonly Problem[]): Problem[] =>
  problems.map((problem) =>
    typeof problem.line === "number"
      ? { ...problem, message: problem.message.replace(PLACE, ""), line: Math.max(problem.line - 1, 1) }
      : problem,
  );

/** Problems of a statement, at their lines in the text that it stands in from an offset on. */
export function shifted(problems: readonly Problem[], text: string, from: number): Problem[] {
  const before = text.slice(0, from);
  const lines = before.split("\n").length - 1;
  const column = from - (before.lastIndexOf("\n") + 1);
  return problems.map((problem) => {
    if (typeof problem.line !== "number") return problem;
    const inFirst = problem.line === 1 && typeof problem.column === "number";
    return {
      ...problem,
      message: problem.message.replace(PLACE, ""),
      line: problem.line + lines,
      column: inFirst ? (problem.column ?? 1) + column : problem.column,
    };
  });
}
