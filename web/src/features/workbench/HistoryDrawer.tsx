import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconHistory, IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { Drawer } from "@/components/Drawer";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { HistoryItem } from "./HistoryItem";
import { ASIDE, historyQuery } from "./queries";
import type { Tab } from "./state";

interface Props {
  opened: boolean;
  onClose: () => void;
  onOpen: (given: Partial<Tab>) => void;
}

/** The reader's own statements, from here and from elsewhere. */
export function HistoryDrawer({ opened, onClose, onOpen }: Props): ReactElement {
  const [find, setFind] = useState("");
  const history = useInfiniteQuery({ ...historyQuery, enabled: opened });
  const { data, error, hasNextPage, isFetchingNextPage, fetchNextPage } = history;
  const own = data?.pages.flatMap((page) => page.items).filter((item) => item.source !== ASIDE);
  const shown = own?.filter((item) => item.sql.toLowerCase().includes(find.trim().toLowerCase()));
  return (
    <Drawer opened={opened} onClose={onClose} title="History">
      <Stack gap="sm">
        <TextInput
          aria-label="Search statements"
          placeholder="Search statements"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={find}
          onChange={(event) => setFind(event.currentTarget.value)}
        />
        {error !== null && (
          <ErrorState error={error} title="The history cannot be shown" onRetry={() => void history.refetch()} />
        )}
        {own === undefined && error === null && <Skeletons />}
        {own?.length === 0 && !hasNextPage && (
          <EmptyState icon={<IconHistory />} title="You have run nothing yet">
            What you run here, with <code>dataos query</code> or by other programs, stands here.
          </EmptyState>
        )}
        {shown?.length === 0 && own !== undefined && own.length > 0 && <Text c="dimmed">No statement has that.</Text>}
        {shown?.map((item) => (
          <HistoryItem key={item.id} item={item} onOpen={onOpen} />
        ))}
        {hasNextPage && (
          <Group justify="center">
            <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              Show older ones
            </Button>
          </Group>
        )}
      </Stack>
    </Drawer>
  );
}
