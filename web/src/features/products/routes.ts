import { createRoute } from "@tanstack/react-router";

import type { shellRoute } from "@/app/router";
import { readChoices, type Choices } from "./explore/choices";
import { readSearch } from "./search";
import { lazyPage } from "@/lib/lazyPage";

export interface ProductSearch {
  tab?: string;
  /** Address of the dataset that is looked at; `#n` for one whose name is hidden. */
  data?: string;
  /** Category of checks. */
  category?: string;
  /** What the Explore tab asks. */
  ask?: Choices;
}

const word = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

/** Data Products: the list, and the page of one. */
export function productsRoutes(parent: typeof shellRoute) {
  return [
    createRoute({
      path: "/products",
      getParentRoute: () => parent,
      validateSearch: readSearch,
      component: lazyPage(() => import("./ProductsPage")),
    }),
    createRoute({
      path: "/products/$name",
      getParentRoute: () => parent,
      validateSearch: (raw): ProductSearch => ({
        tab: word(raw.tab),
        data: word(raw.data),
        category: word(raw.category),
        ask: readChoices(raw.ask),
      }),
      component: lazyPage(() => import("./ProductPage")),
    }),
  ] as const;
}
