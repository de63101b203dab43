import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";

import { toast } from "@/lib/toasts";
import { askVerb, type Verb, type Which } from "./queries";

export interface Wish {
  verb: Verb;
  fromFailed?: boolean;
}

const DONE: Record<Verb, string> = {
  pause: "is paused",
  resume: "goes on",
  stop: "is being stopped",
  run: "runs",
  "re-run": "runs again",
};

/** Ask something of a Workflow; a run that begins is shown. */
export function useVerb(which: Which): UseMutationResult<readonly string[], Error, Wish> {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: ({ verb, fromFailed = false }: Wish) => askVerb(which, verb, fromFailed),
    onSuccess: (_, { verb }) => {
      toast(`${which.name} ${DONE[verb]}`);
      if (verb === "run" || verb === "re-run") void navigate({ to: ".", search: {}, resetScroll: false });
    },
    // also after a refusal: what is shown was then not how it is
    onSettled: () => queries.invalidateQueries({ queryKey: ["resource", "workflow", which.name, which.workspace] }),
  });
}
