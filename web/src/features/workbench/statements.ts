/** One statement of a text: [from, to) without what stands around it. */
export interface Span {
  from: number;
  to: number;
  sql: string;
}

/**
 * The statements of a text, cut at semicolons outside of texts, quoted names and comments. What holds nothing but
 * comments is none; an unfinished text or comment goes on to the end.
 */
export function splitStatements(text: string): Span[] {
  const found: Span[] = [];
  let begin = 0;
  let first = -1; // of what counts: neither blank nor comment
  let last = -1;
  const close = (): void => {
    if (first >= 0) found.push(spanOf(text, begin, last));
    first = -1;
  };
  let at = 0;
  while (at < text.length) {
    const end = skipOf(text, at);
    const comment = isComment(text, at);
    if (text[at] === ";") {
      close();
      begin = at + 1;
    } else if (!comment && !isBlank(text[at])) {
      if (first < 0) first = at;
      last = end;
    }
    at = end;
  }
  close();
  return found;
}

/** The statement at a position: the one around it, else the one before it in its line, else the next, else the last. */
export function statementAt(text: string, position: number): Span | null {
  const spans = splitStatements(text);
  const around = spans.find((span) => span.from <= position && position <= span.to);
  if (around !== undefined) return around;
  const before = spans.findLast((span) => span.to < position);
  if (before !== undefined && !text.slice(before.to, position).includes("\n")) return before;
  return spans.find((span) => span.from > position) ?? before ?? null;
}

/** The statements of a part of a text, at their places in the whole. */
export function statementsWithin(text: string, from: number, to: number): Span[] {
  return splitStatements(text.slice(from, to)).map((s) => ({ from: s.from + from, to: s.to + from, sql: s.sql }));
}

/** Whether a statement only asks for its plan, or has none: SHOW, SET, USE... */
export function hasPlan(sql: string): boolean {
  return /^\s*(select|with|values|table|insert|update|delete|merge|create\s+(or\s+replace\s+)?table|\()/i.test(
    withoutComments(sql),
  );
}

/** Whether a statement may change what the catalog shows. */
export function changesCatalog(sql: string): boolean {
  return /^\s*(create|alter|drop|rename|truncate|call)\b/i.test(withoutComments(sql));
}

function withoutComments(sql: string): string {
  let at = 0;
  while (at < sql.length && (isBlank(sql[at]) || isComment(sql, at))) at = skipOf(sql, at);
  return sql.slice(at);
}

/** Comments before a statement go with it: they say what it is for. */
function spanOf(text: string, begin: number, end: number): Span {
  let from = begin;
  while (isBlank(text[from])) from += 1;
  return { from, to: end, sql: text.slice(from, end) };
}

/** Where what begins at a position ends: a text, a quoted name, a comment, or one character. */
function skipOf(text: string, at: number): number {
  const sign = text[at];
  if (sign === "'" || sign === '"' || sign === "`") return closing(text, at + 1, sign);
  if (text.startsWith("--", at)) return endOf(text, "\n", at + 2, 0);
  if (text.startsWith("/*", at)) return endOf(text, "*/", at + 2, 2);
  return at + 1;
}

/** Beyond the closing sign; a doubled one is part of the text. */
function closing(text: string, from: number, sign: string): number {
  let at = text.indexOf(sign, from);
  while (at >= 0 && text[at + 1] === sign) at = text.indexOf(sign, at + 2);
  return at < 0 ? text.length : at + 1;
}

function endOf(text: string, sign: string, from: number, length: number): number {
  const at = text.indexOf(sign, from);
  return at < 0 ? text.length : at + length;
}

const isComment = (text: string, at: number): boolean => text.startsWith("--", at) || text.startsWith("/*", at);
const isBlank = (sign: string | undefined): boolean => sign !== undefined && /\s/.test(sign);
