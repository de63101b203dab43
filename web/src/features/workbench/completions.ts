import {
  type Completion,
  type CompletionContext,
  type CompletionResult,
  type CompletionSource,
} from "@codemirror/autocomplete";
import type { QueryClient } from "@tanstack/react-query";

import { fullPath, pathBefore, tablesIn, type Named } from "./completing";
import { quoted } from "./names";
import { columnsQuery, functionsQuery, namesQuery } from "./queries";
import type { Session } from "./state";
import { statementAt } from "./statements";

export interface Around {
  cluster: string | null;
  session: Session | null;
}

const KINDS = ["namespace", "namespace", "class"] as const;

/** Names of the catalog, of columns of the statement's tables, and of functions. What cannot be read is left out. */
export function catalogSource(queries: QueryClient, around: () => Around): CompletionSource {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const line = context.state.doc.lineAt(context.pos);
    const { before, length } = pathBefore(line.text.slice(0, context.pos - line.from));
    if (before.length === 0 && length === 0 && !context.explicit) return null;
    const here = around();
    const tables = tablesIn(statementAt(context.state.doc.toString(), context.pos)?.sql ?? "");
    const options = await (
      before.length > 0 ? below(queries, here, before, tables) : anywhere(queries, here, tables)
    ).catch(() => []);
    return options.length === 0 ? null : { from: context.pos - length, options, validFor: /^"?[\w$]*$/ };
  };
}

/** What a name before a point holds: columns of a table or alias, or what the catalog has below it. */
async function below(queries: QueryClient, here: Around, before: string[], tables: Named[]): Promise<Completion[]> {
  const named = before.length === 1 ? tables.find((t) => (t.alias ?? t.path.at(-1)) === before[0]) : undefined;
  const table = named === undefined ? (before.length === 3 ? before : null) : fullPath(named.path, here.session);
  if (table !== null) return columns(queries, here, table);
  const found = await names(queries, here, before);
  return found.length > 0 || here.session?.catalog == null
    ? found
    : names(queries, here, [here.session.catalog, ...before]);
}

async function anywhere(queries: QueryClient, here: Around, tables: Named[]): Promise<Completion[]> {
  const paths = tables.map((t) => fullPath(t.path, here.session)).filter((path) => path !== null);
  const { catalog = null, schema = null } = here.session ?? {};
  const found = await Promise.allSettled([
    ...paths.map((path) => columns(queries, here, path)),
    names(queries, here, []),
    catalog !== null && schema !== null ? names(queries, here, [catalog, schema]) : [],
    queries
      .query(functionsQuery(here.cluster))
      .then((all) => all.map((name) => ({ label: name, type: "function", apply: `${name}(` }))),
  ]);
  return found.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
}

async function names(queries: QueryClient, { cluster }: Around, path: string[]): Promise<Completion[]> {
  if (path.length >= KINDS.length) return [];
  const found = await queries.query(namesQuery(cluster, path)).catch(() => []);
  return found.map((name) => ({ label: name, type: KINDS[path.length], apply: quoted(name), boost: 1 }));
}

async function columns(queries: QueryClient, { cluster }: Around, path: string[]): Promise<Completion[]> {
  const found = await queries.query(columnsQuery(cluster, path));
  return found.map(({ name, type }) => ({
    label: name,
    type: "property",
    detail: type,
    apply: quoted(name),
    boost: 2,
  }));
}
