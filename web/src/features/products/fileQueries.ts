import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";

/** The stored manifest. Its version must be the product's own. */
export const manifestQuery = (version: string, name: string) =>
  queryOptions({
    queryKey: ["product", name, "manifest", version],
    queryFn: async ({ signal }) => {
      const path = { version, name };
      return (await answer(api.GET("/api/v1/products/data/{version}/{name}", { params: { path }, signal }))).manifest;
    },
  });

/** The product as an Open Data Contract Standard document. */
export const contractQuery = (version: string, name: string) =>
  queryOptions({
    queryKey: ["product", name, "odcs", version],
    queryFn: async ({ signal }) => {
      const path = { version, name };
      const found = await answer(api.GET("/api/v1/products/data/{version}/{name}/odcs", { params: { path }, signal }));
      return found.document;
    },
  });

/** Generations with what changed, newest first. */
export const versionsQuery = (version: string, name: string) =>
  queryOptions({
    queryKey: ["product", name, "versions", version],
    queryFn: async ({ signal }) => {
      const path = { version, name };
      return (await answer(api.GET("/api/v1/products/data/{version}/{name}/versions", { params: { path }, signal })))
        .items;
    },
  });

/** One step of lineage around a dataset, both ways. */
export const lineageQuery = (address: string) =>
  queryOptions({
    queryKey: ["lineage", address, 1],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/lineage/{address}", { params: { path: { address }, query: { depth: 1 } }, signal })),
  });
