import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";

/** Tags of a dataset with its columns, or of one column (`address#column`), with who gave them. */
export const tagsQuery = (asset: string) =>
  queryOptions({
    queryKey: ["tags", asset],
    queryFn: async ({ signal }) =>
      (await answer(api.GET("/api/v1/asset-tags", { params: { query: { assetFqn: asset } }, signal }))).items,
  });
