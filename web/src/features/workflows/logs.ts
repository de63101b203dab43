import type { components } from "@/api/schema";

type Answered = components["schemas"]["Log"];

/** What is known of one attempt's log so far. `next`: the offset to ask from. */
export interface AttemptLog {
  text: string;
  next: number;
}

export interface JobLogs {
  attempts: Readonly<Record<string, AttemptLog>>;
}

const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, "g");

/** What was known and what an answer adds: of attempts that had an offset it begins there, of others it is the whole. */
export function joined(known: JobLogs | undefined, answered: Answered): JobLogs {
  const attempts: Record<string, AttemptLog> = { ...known?.attempts };
  for (const { attempt, text, next } of answered.nodes) {
    const before = known?.attempts[attempt];
    attempts[attempt] = { text: (before?.text ?? "") + text, next };
  }
  return { attempts };
}

/** From where to ask on, by attempt. */
export const offsetsOf = (known: JobLogs | undefined): Record<string, number> =>
  Object.fromEntries(Object.entries(known?.attempts ?? {}).map(([id, { next }]) => [id, next]));

/** Lines to show: without the terminal's colours and an empty line at the end. */
export function linesOf(text: string): string[] {
  if (text === "") return [];
  const plain = text.replace(COLOURS, "").replace(/\r\n?/g, "\n");
  return (plain.endsWith("\n") ? plain.slice(0, -1) : plain).split("\n");
}

/** Numbers of lines that hold a text, whatever its case. */
export function foundIn(lines: readonly string[], wanted: string): number[] {
  const text = wanted.toLowerCase();
  if (text === "") return [];
  return lines.flatMap((line, number) => (line.toLowerCase().includes(text) ? [number] : []));
}

/** A line in pieces, those at odd places being what was looked for. */
export function piecesOf(line: string, wanted: string): string[] {
  const text = wanted.toLowerCase();
  const pieces: string[] = [];
  let from = 0;
  const low = line.toLowerCase();
  // a letter whose small form is longer would shift all places behind it
  if (text === "" || low.length !== line.length) return [line];
  for (let at = low.indexOf(text); at !== -1; at = low.indexOf(text, from)) {
    pieces.push(line.slice(from, at), line.slice(at, at + text.length));
    from = at + text.length;
  }
  return [...pieces, line.slice(from)];
}
