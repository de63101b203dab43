import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { answer, api } from "@/api/client";
import type { components } from "@/api/schema";
import { wantedOf, type ListSearch } from "./search";

type Schemas = components["schemas"];
export type Card = Schemas["Card"];
export type Product = Schemas["ProductPage"];
export type Dataset = Schemas["dataos__doors__product_pages__Dataset"];
export type Side = "input" | "output";

const FIRST = 100;
const MORE = 1000;

/** Products that match, page by page: few at first, to be there at once. */
export const cardsQuery = (search: ListSearch) =>
  infiniteQueryOptions({
    queryKey: ["products", "cards", wantedOf(search)],
    queryFn: ({ pageParam, signal }) => {
      const page = { after: pageParam, limit: pageParam === undefined ? FIRST : MORE };
      return answer(api.GET("/api/v1/products", { params: { query: { ...wantedOf(search), ...page } }, signal }));
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
  });

/** Filter groups with the counts of what matches. */
export const facetsQuery = (search: ListSearch) =>
  queryOptions({
    queryKey: ["products", "facets", { ...wantedOf(search), sort: undefined }],
    queryFn: async ({ signal }) => {
      const query = { ...wantedOf(search), sort: undefined };
      return (await answer(api.GET("/api/v1/products/facets", { params: { query }, signal }))).items;
    },
    placeholderData: keepPreviousData,
  });

/** One card by the product's name; null: there is none that one may see. Unlike the page it leaves no trace. */
export const cardQuery = (name: string) =>
  queryOptions({
    queryKey: ["products", "card", name],
    queryFn: async ({ signal }): Promise<Card | null> => {
      const query = { q: name, limit: MORE };
      const page = await answer(api.GET("/api/v1/products", { params: { query }, signal }));
      return page.items.find((card) => card.name === name) ?? null;
    },
  });

/** A few favourites, or what was opened lately. */
export const fewQuery = (only: "favorite" | "recent") =>
  queryOptions({
    queryKey: ["products", "few", only],
    staleTime: 0, // opening a product changes it, and no news comes of that
    queryFn: async ({ signal }): Promise<Card[]> => {
      const query = { ...wantedOf({ only }), limit: 8 };
      return (await answer(api.GET("/api/v1/products", { params: { query }, signal }))).items;
    },
  });

/** The server answers for the product of that name whatever version stands in the address. */
const ANY = "v1beta";
const at = (name: string) => ({ version: ANY, name });

export const productQuery = (name: string) =>
  queryOptions({
    queryKey: ["product", name, "page"],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/products/data/{version}/{name}/page", { params: { path: at(name) }, signal })),
  });

export const datasetsQuery = (name: string, side: Side) =>
  queryOptions({
    queryKey: ["product", name, "datasets", side],
    queryFn: async ({ signal }): Promise<Dataset[]> => {
      const params = { path: at(name), query: { side } };
      return (await answer(api.GET("/api/v1/products/data/{version}/{name}/datasets", { params, signal }))).items;
    },
  });

/** What policies leave the reader of a dataset. */
export const accessQuery = (name: string, address: string) =>
  queryOptions({
    queryKey: ["product", name, "access", address],
    queryFn: ({ signal }) => {
      const params = { path: at(name), query: { ref: address } };
      return answer(api.GET("/api/v1/products/data/{version}/{name}/access", { params, signal }));
    },
  });

export const qualityQuery = (name: string, category: string | undefined) =>
  queryOptions({
    queryKey: ["product", name, "quality", category],
    queryFn: ({ signal }) => {
      const params = { path: at(name), query: { category } };
      return answer(api.GET("/api/v1/products/data/{version}/{name}/quality", { params, signal }));
    },
    placeholderData: keepPreviousData,
  });

export const usageQuery = (name: string) =>
  queryOptions({
    queryKey: ["product", name, "usage"],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/products/data/{version}/{name}/usage", { params: { path: at(name) }, signal })),
  });

export const healthQuery = (name: string) =>
  queryOptions({
    queryKey: ["product", name, "health"],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/products/data/{version}/{name}/health", { params: { path: at(name) }, signal })),
  });

export const graphQuery = (name: string) =>
  queryOptions({
    queryKey: ["product", name, "graph"],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/products/data/{version}/{name}/graph", { params: { path: at(name) }, signal })),
  });
