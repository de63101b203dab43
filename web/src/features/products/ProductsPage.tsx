import { Button } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconFilterOff, IconPackages, IconStar } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, type ReactElement } from "react";

import { DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { PageHeader } from "@/components/PageHeader";
import { Skeletons } from "@/components/Skeletons";
import { ProductCards } from "./ProductCards";
import { COLUMNS } from "./productColumns";
import { ProductFilters } from "./ProductFilters";
import { ProductPreview } from "./ProductPreview";
import { cardsQuery } from "./queries";
import { cleared, countChosen, countWords, groupingOf, type ListSearch } from "./search";

/** While somebody types, the server is asked for a word rather than for each of its letters. */
const TYPING_MS = 150;

/** Data Products: all that one may see, filtered by the address. */
export default function ProductsPage(): ReactElement {
  const search = useSearch({ from: "/shell/products" });
  const navigate = useNavigate({ from: "/products" });
  const [q] = useDebouncedValue(search.q, TYPING_MS);
  const asked = useMemo(() => ({ ...search, q }), [search, q]);
  const found = useInfiniteQuery(cardsQuery(asked));
  const { data, isPending, isError, error, refetch, hasNextPage, fetchNextPage } = found;
  const cards = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  const total = data?.pages[0]?.total ?? 0;
  const group = groupingOf(search);
  const change = (next: ListSearch): void => void navigate({ search: next, replace: true });
  const preview = (name: string | undefined): void =>
    void navigate({ search: { ...search, preview: name }, replace: true, resetScroll: false });
  const more = hasNextPage && !found.isFetchingNextPage && !found.isFetchNextPageError;
  const readMore = useCallback(() => void fetchNextPage(), [fetchNextPage]);
  // a group, and a table that sorts itself, need all of it
  const whole = search.view === "table" || group !== "none";
  useEffect(() => {
    if (whole && more) readMore();
  }, [whole, more, readMore]);
  const filtered = search.q !== undefined || countChosen(search) > 0;
  return (
    <>
      <PageHeader
        title="Data Products"
        description={isPending ? "Data that others answer for" : countWords(total, filtered)}
      />
      <ProductFilters search={search} asked={asked} onChange={change} />
      {isPending && <Skeletons rows={5} height={176} />}
      {isError && <ErrorState error={error} title="Data Products cannot be shown" onRetry={() => void refetch()} />}
      {!isPending && !isError && cards.length === 0 && (
        <Nothing search={search} filtered={filtered} onClear={() => change(cleared(search))} />
      )}
      {cards.length > 0 && search.view === "table" && (
        <DataTable label="Data Products" rows={cards} columns={COLUMNS} idOf={(card) => card.id} />
      )}
      {cards.length > 0 && search.view !== "table" && (
        <ProductCards
          cards={cards}
          group={group}
          loading={hasNextPage && !isError}
          more={more}
          onMore={readMore}
          onPreview={preview}
        />
      )}
      <ProductPreview name={search.preview} onClose={() => preview(undefined)} />
    </>
  );
}

function Nothing(props: { search: ListSearch; filtered: boolean; onClear: () => void }): ReactElement {
  const { search, filtered, onClear } = props;
  if (filtered) {
    const clear = (
      <Button variant="default" onClick={onClear}>
        Clear search and filters
      </Button>
    );
    return <EmptyState icon={<IconFilterOff />} title="Nothing matches" action={clear} />;
  }
  if (search.only === "favorite") {
    return (
      <EmptyState icon={<IconStar />} title="You have no favourites yet">
        The star of a product puts it here, and on Home.
      </EmptyState>
    );
  }
  if (search.only === "recent") {
    return <EmptyState icon={<IconPackages />} title="You have opened no product yet" />;
  }
  return (
    <EmptyState icon={<IconPackages />} title="There are no Data Products yet">
      Write one with <code>dataos product init</code> and apply it with <code>dataos product apply -f FILE</code>. You
      see what you may read: ask an operator if something is missing.
    </EmptyState>
  );
}
