import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

import { SECTIONS } from "./sections";

const WITHIN_MS = 1500;

/** `g` and a section's key leads there; `/` puts the cursor into the page's search. Never while somebody types. */
export function useShortcuts(): void {
  const navigate = useNavigate();
  const pressed = useRef(0);
  useEffect(() => {
    const hear = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === "/") {
        const search = document.querySelector<HTMLInputElement>("main input[data-search]");
        if (search !== null) {
          event.preventDefault();
          search.focus();
        }
        return;
      }
      if (event.key === "g") {
        pressed.current = event.timeStamp;
        return;
      }
      const section = SECTIONS.find((s) => s.key === event.key);
      if (section !== undefined && event.timeStamp - pressed.current < WITHIN_MS) void navigate({ to: section.to });
      pressed.current = 0;
    };
    document.addEventListener("keydown", hear);
    return () => document.removeEventListener("keydown", hear);
  }, [navigate]);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable ||
    ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) ||
    target.closest("[role=dialog]") !== null
  );
}
