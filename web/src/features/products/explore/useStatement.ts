import { useCallback, useEffect, useRef, useState } from "react";

import { runDetached, stopDetached, type Rows } from "./statements";

export interface Asked {
  /** What the rows answer. */
  sql: string;
  /** Handle of the answer on the server. */
  id: string;
  rows: Rows;
}

interface Running {
  asked: Asked | null;
  running: boolean;
  error: unknown;
  run: (sql: string) => void;
  stop: () => void;
}

/** One statement at a time. The next one, stopping, and leaving the page end what runs, on the server too. */
export function useStatement(): Running {
  const [asked, setAsked] = useState<Asked | null>(null);
  const [running, setRunning] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const going = useRef<{ control: AbortController; id: string | null } | null>(null);

  const end = useCallback((): void => {
    const now = going.current;
    going.current = null;
    if (now === null) return;
    now.control.abort();
    // nobody waits for it any more: if the server did not hear, the statement's own time ends it
    if (now.id !== null) stopDetached(now.id).catch(() => undefined);
  }, []);
  useEffect(() => end, [end]);

  const run = useCallback(
    (sql: string): void => {
      end();
      const mine = { control: new AbortController(), id: null as string | null };
      going.current = mine;
      setRunning(true);
      setError(null);
      const heard = (id: string): void => {
        mine.id = id;
        if (mine.control.signal.aborted) stopDetached(id).catch(() => undefined);
      };
      runDetached(sql, mine.control.signal, heard)
        .then(
          ({ id, rows }) => {
            if (going.current === mine) setAsked({ sql, id, rows });
          },
          (failed: unknown) => {
            if (going.current === mine) setError(failed);
          },
        )
        .finally(() => {
          if (going.current !== mine) return;
          going.current = null;
          setRunning(false);
        })
        .catch(() => undefined);
    },
    [end],
  );
  const stop = useCallback((): void => {
    end();
    setRunning(false);
  }, [end]);
  return { asked, running, error, run, stop };
}
