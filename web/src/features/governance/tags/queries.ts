import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";

type Models = components["schemas"];
export type UsedTag = Models["UsedTag"];
export type AssetTag = Models["AssetTag"];
export type Tagged = Models["Tagged"];
export type Lineage = Models["Lineage"];

/** Every tag that a dataset or column has. */
export const usedTagsQuery = queryOptions({
  queryKey: ["tags", "used"],
  queryFn: async ({ signal }): Promise<UsedTag[]> =>
    (await answer(api.GET("/api/v1/asset-tags/used", { signal }))).items,
});

/** Where one tag is, and who says so. */
export const usesQuery = (tag: string) =>
  queryOptions({
    queryKey: ["tags", "uses", tag],
    queryFn: async ({ signal }): Promise<AssetTag[]> =>
      (await answer(api.GET("/api/v1/asset-tags/uses", { params: { query: { tagFqn: tag } }, signal }))).items,
  });

/** From which columns a column is made, one step up. */
export const sourcesQuery = (address: string, column: string) =>
  queryOptions({
    queryKey: ["tags", "sources", address, column],
    queryFn: ({ signal }): Promise<Lineage> => {
      const query = { direction: "up" as const, depth: 1, column };
      const path = { address };
      return answer(api.GET("/api/v1/lineage/{address}", { params: { path, query }, signal }));
    },
  });

/** Give tags to a dataset or column. The answer warns of what is not there. */
export const giveTags = (asset: string, tags: readonly string[]): Promise<Tagged> => {
  const assign = tags.map((tag) => ({ assetFqn: asset, tagFqn: tag, assetType: "", groupId: "" }));
  return answer(api.PUT("/api/v1/asset-tags/bulk", { body: { assign, remove: [] } }));
};

/** Take a tag off, whoever gave it. */
export const takeTag = (asset: string, tag: string) =>
  answer(api.DELETE("/api/v1/asset-tags", { params: { query: { assetFqn: asset, tagFqn: tag } } }));
