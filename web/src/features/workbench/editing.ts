import { isolateHistory } from "@codemirror/commands";
import { EditorView } from "@codemirror/view";

/** What others may ask of the editor. */
export interface SqlHandle {
  /** Where the cursor is, or what is selected. */
  selection: () => { from: number; to: number };
  /** Put the cursor at a line (1-based) and column. */
  go: (line: number, column: number) => void;
  /** Put a text where the cursor is. */
  insert: (text: string) => void;
  /** Put a text in the place of another; it can be undone. */
  replace: (from: number, to: number, text: string) => void;
}

/** The handle of a view that comes and goes. */
export function handleOf(current: () => EditorView | null): SqlHandle {
  const on = (what: (view: EditorView) => void): void => {
    const view = current();
    if (view !== null) what(view);
  };
  return {
    selection: () => {
      const main = current()?.state.selection.main;
      return { from: main?.from ?? 0, to: main?.to ?? 0 };
    },
    go: (line, column) =>
      on((view) => {
        const at = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
        const anchor = Math.min(at.from + Math.max(column - 1, 0), at.to);
        view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
        view.focus();
      }),
    insert: (text) =>
      on((view) => {
        view.dispatch(view.state.replaceSelection(text));
        view.focus();
      }),
    replace: (from, to, text) =>
      on((view) => {
        // a step of its own to undo, however shortly before something was typed
        const annotations = isolateHistory.of("full");
        view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from }, annotations });
        view.focus();
      }),
  };
}
