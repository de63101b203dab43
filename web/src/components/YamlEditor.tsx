import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, foldGutter, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useImperativeHandle, useRef, type ReactElement, type Ref } from "react";

import type { Problem } from "@/api/failure";
import { marksOf } from "@/lib/marks";
import classes from "./YamlEditor.module.css";

export interface EditorHandle {
  /** Put the cursor at a line (1-based) and column. */
  go: (line: number, column: number) => void;
}

interface Props {
  /** The text to begin with; another one replaces what was typed. */
  initial: string;
  onChange: (text: string) => void;
  problems: readonly Problem[];
  label: string;
  ref?: Ref<EditorHandle>;
}

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: [tags.string, tags.content], color: "var(--text)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--good)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
]);

/** YAML with the server's faults at their lines. Tab indents; Escape, then Tab leaves it. */
export function YamlEditor({ initial, onChange, problems, label, ref }: Props): ReactElement {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const changed = useRef(onChange);
  useEffect(() => {
    changed.current = onChange;
  }, [onChange]);

  useEffect(() => {
    if (place.current === null) return undefined;
    const made = new EditorView({
      parent: place.current,
      state: stateOf(initial, label, (text) => changed.current(text)),
    });
    made.scrollDOM.tabIndex = 0; // what scrolls must be reachable by keyboard
    view.current = made;
    return () => {
      made.destroy();
      view.current = null;
    };
  }, [initial, label]);

  useEffect(() => {
    const now = view.current;
    if (now !== null) now.dispatch(setDiagnostics(now.state, marksOf(now.state.doc, problems)));
  }, [problems, initial]);

  useImperativeHandle(ref, () => ({
    go: (line, column) => {
      const now = view.current;
      if (now === null) return;
      const at = now.state.doc.line(Math.min(Math.max(line, 1), now.state.doc.lines));
      const anchor = Math.min(at.from + column - 1, at.to);
      now.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
      now.focus();
    },
  }));
  return <div ref={place} className={classes.editor} />;
}

function stateOf(doc: string, label: string, onChange: (text: string) => void): EditorState {
  const nonce = document.querySelector<HTMLElement>("meta[property=csp-nonce]")?.nonce ?? "";
  return EditorState.create({
    doc,
    extensions: [
      lineNumbers(),
      foldGutter(),
      history(),
      drawSelection(),
      EditorView.lineWrapping,
      indentOnInput(),
      bracketMatching(),
      highlightActiveLine(),
      yaml(),
      syntaxHighlighting(colours),
      lintGutter(),
      keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
      EditorView.cspNonce.of(nonce),
      EditorView.contentAttributes.of({ "aria-label": label }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) onChange(update.state.doc.toString());
      }),
    ],
  });
}
