import { useMutation, useQueryClient } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import { toastProblems } from "@/lib/toasts";

interface Starring {
  /** As it is, or as it will be once the server has it. */
  starred: boolean;
  toggle: () => void;
}

/** The reader's star of a product. It changes at once; if the server refuses, it goes back and says why. */
export function useFavorite(name: string, favorite: boolean): Starring {
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (wanted: boolean) => {
      const params = { path: { kind: "products", id: name } };
      return answer(
        wanted
          ? api.PUT("/api/v1/me/favorites/{kind}/{id}", { params })
          : api.DELETE("/api/v1/me/favorites/{kind}/{id}", { params }),
      );
    },
    onError: (error) => toastProblems(error, `The star of ${name} could not be changed`),
    // waited for, so that the star does not go back and forth in between
    onSettled: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ["products"] }),
        queries.invalidateQueries({ queryKey: ["product", name, "page"] }),
      ]),
  });
  const starred = change.isPending ? change.variables : favorite;
  return { starred, toggle: () => change.mutate(!starred) };
}
