import type { Finding } from "./queries";

const ORDER = ["fail", "warn", "ok"];

/** Findings with what is worst first, as the server ordered them else. */
export const worstFirst = (findings: readonly Finding[]): Finding[] =>
  findings.toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));

/** "2 warnings, 1 failure in 14 checks". */
export function summaryOf(findings: readonly Finding[]): string {
  const count = (state: string): number => findings.filter((finding) => finding.state === state).length;
  const parts = [
    [count("fail"), "failure"],
    [count("warn"), "warning"],
  ] as const;
  const told = parts.filter(([n]) => n > 0).map(([n, what]) => `${n} ${what}${n === 1 ? "" : "s"}`);
  return `${told.length === 0 ? "Nothing to mend" : told.join(", ")} in ${findings.length} checks`;
}
