import { isNode, LineCounter, parseAllDocuments, visit, type Document } from "yaml";

import type { Problem } from "@/api/failure";

/** What a text of YAML holds: documents that are mappings, or faults with their lines. */
export interface Written {
  documents: Record<string, unknown>[];
  faults: Problem[];
  /** A problem of the server with the line where its path stands in the text. */
  place: (problem: Problem) => Problem;
}

export function readDocuments(text: string): Written {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const read = Array.isArray(parsed) ? parsed : [];
  const faults: Problem[] = [];
  const documents: Record<string, unknown>[] = [];
  for (const document of read) {
    for (const error of document.errors) {
      const { line, col } = lines.linePos(error.pos[0]);
      faults.push({ code: "manifest.yaml", message: error.message, line, column: col });
    }
    keepTexts(document);
    const body: unknown = document.errors.length > 0 ? null : document.toJS();
    if (typeof body === "object" && body !== null && !Array.isArray(body)) {
      documents.push(body as Record<string, unknown>);
    } else if (document.errors.length === 0 && body !== null) {
      const message = "a document is a mapping: `name: value` lines";
      faults.push({ code: "manifest.yaml", message, ...placeOf(document, [], lines) });
    }
  }
  return { documents, faults, place: (problem) => ({ ...problem, ...find(problem, read, lines) }) };
}

/** As the server reads them: a number is one only if it is written as numbers are; `007` and `7.10` stay texts. */
function keepTexts(document: Document): void {
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === "number" && node.source !== undefined && String(node.value) !== node.source) {
        node.value = node.source;
      }
    },
  });
}

function find(
  problem: Problem,
  documents: readonly Document[],
  lines: LineCounter,
): { line?: number; column?: number } {
  if (typeof problem.line === "number" || typeof problem.path !== "string") return {};
  const named = documents.find((document) => document.get("name") === problem.name);
  const document = named ?? (documents.length === 1 ? documents[0] : undefined);
  return document === undefined ? {} : placeOf(document, stepsOf(problem.path), lines);
}

/** Where a path begins; what is not there itself begins where it should stand. */
function placeOf(
  document: Document,
  steps: (string | number)[],
  lines: LineCounter,
): { line?: number; column?: number } {
  for (let depth = steps.length; depth >= 0; depth -= 1) {
    const node: unknown = depth === 0 ? document.contents : document.getIn(steps.slice(0, depth), true);
    if (isNode(node) && node.range) {
      const { line, col } = lines.linePos(node.range[0]);
      return { line, column: col };
    }
  }
  return {};
}

/** `policy.access.tags[0]` as steps. */
function stepsOf(path: string): (string | number)[] {
  return [...path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map((found) =>
    found[2] === undefined ? (found[1] ?? "") : Number(found[2]),
  );
}
