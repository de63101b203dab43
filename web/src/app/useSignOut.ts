import { useMutation, type UseMutationResult } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import { Failure } from "@/api/failure";
import { toastProblems } from "@/lib/toasts";
import { sessionEnded } from "@/lib/session";

/** Ends the session on the server; all tabs of this browser go to sign-in. */
export function useSignOut(): UseMutationResult<unknown, Error, void> {
  return useMutation({
    mutationFn: () => answer(api.POST("/api/v1/logout")),
    onSuccess: sessionEnded,
    onError: (error) => {
      if (!(error instanceof Failure && error.status === 401)) toastProblems(error, "You are still signed in");
    },
  });
}
