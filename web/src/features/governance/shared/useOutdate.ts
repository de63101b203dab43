import { useQueryClient } from "@tanstack/react-query";

/** First words of the keys of all that a change of who may do what can touch; the reader's own rights too. */
const WORDS = ["users", "governance", "grants", "policies", "tags", "me"];

/** After a change of what governs: what screens show of it is read again. */
export function useOutdate(): () => void {
  const queries = useQueryClient();
  return () => {
    for (const word of WORDS) void queries.invalidateQueries({ queryKey: [word] });
  };
}
