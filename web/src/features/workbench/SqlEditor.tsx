import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyField, historyKeymap, indentWithTab } from "@codemirror/commands";
import { keywordCompletionSource, sql } from "@codemirror/lang-sql";
import { bracketMatching, foldGutter, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { setDiagnostics } from "@codemirror/lint";
import { EditorState, Prec, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useImperativeHandle, useRef, type ReactElement, type Ref } from "react";

import type { Problem } from "@/api/failure";
import { marksOf } from "@/lib/marks";
import { catalogSource, type Around } from "./completions";
import type { Desk } from "./desk";
import { handleOf, type SqlHandle } from "./editing";
import classes from "./SqlEditor.module.css";
import { trino } from "./trino";

interface Props {
  desk: Desk;
  tab: number;
  text: string;
  around: Around;
  problems: readonly Problem[];
  onChange: (text: string) => void;
  onRun: () => void;
  onRunAll: () => void;
  onExplain: () => void;
  ref?: Ref<SqlHandle>;
}

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--accent)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
  { tag: tags.typeName, color: "var(--busy)" },
  { tag: [tags.lineComment, tags.blockComment], color: "var(--muted)", fontStyle: "italic" },
]);
const kept = { history: historyField };

/** SQL with names from the catalog as one types, and the server's faults at their places. Escape, then Tab leaves it. */
export function SqlEditor(props: Props): ReactElement {
  const { desk, tab, problems, ref } = props;
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const now = useRef(props);
  const queries = useQueryClient();
  useEffect(() => {
    now.current = props;
  });

  useEffect(() => {
    if (place.current === null) return undefined;
    const made = new EditorView({
      parent: place.current,
      state: stateOf(
        now.current.text,
        [
          autocompletion({
            icons: false,
            override: [catalogSource(queries, () => now.current.around), keywordCompletionSource(trino, true)],
          }),
          keys(() => now.current),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) now.current.onChange(update.state.doc.toString());
          }),
        ],
        desk.editors.get(tab),
      ),
    });
    made.scrollDOM.tabIndex = 0; // what scrolls must be reachable by keyboard
    view.current = made;
    return () => {
      desk.editors.set(tab, made.state.toJSON(kept));
      made.destroy();
      view.current = null;
    };
  }, [desk, tab, queries]);

  useEffect(() => {
    const shown = view.current;
    if (shown !== null) shown.dispatch(setDiagnostics(shown.state, marksOf(shown.state.doc, problems)));
  }, [problems, tab]);

  useImperativeHandle(ref, () => handleOf(() => view.current));
  return <div ref={place} className={classes.editor} />;
}

function keys(now: () => Props): Extension {
  const does = (what: (props: Props) => void) => (): boolean => {
    what(now());
    return true;
  };
  return Prec.highest(
    keymap.of([
      { key: "Mod-Enter", run: does((props) => props.onRun()) },
      { key: "Shift-Mod-Enter", run: does((props) => props.onExplain()) },
      { key: "Alt-Mod-Enter", run: does((props) => props.onRunAll()) },
    ]),
  );
}

/** With the undo history that a tab had, if its text is still the same. */
function stateOf(doc: string, more: Extension[], before: unknown): EditorState {
  const nonce = document.querySelector<HTMLElement>("meta[property=csp-nonce]")?.nonce ?? "";
  const extensions = [
    lineNumbers(),
    foldGutter(),
    history(),
    drawSelection(),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    highlightActiveLine(),
    sql({ dialect: trino, upperCaseKeywords: true }),
    syntaxHighlighting(colours),
    more,
    keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
    EditorView.cspNonce.of(nonce),
    EditorView.contentAttributes.of({ "aria-label": "SQL", spellcheck: "false" }),
  ];
  if ((before as { doc?: unknown } | undefined)?.doc === doc) {
    return EditorState.fromJSON(before, { extensions }, kept);
  }
  return EditorState.create({ doc, extensions });
}
