import { Group, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { IconBookmarks, IconSearch } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { useMe } from "@/app/me";
import { problemsOf } from "@/api/failure";
import { ConfirmDialog } from "@/components/ConfirmDialog";
import { Drawer } from "@/components/Drawer";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { ProblemList } from "@/components/ProblemList";
import { Skeletons } from "@/components/Skeletons";
import { toast } from "@/lib/toasts";
import { BenchItem } from "./BenchItem";
import { benchesQuery, benchOf, deleteBench, type BenchSummary } from "./queries";
import type { Bench } from "./state";

interface Props {
  opened: boolean;
  onClose: () => void;
  onOpen: (bench: Bench) => void;
  onDeleted: (id: string) => void;
}

/** Benches that are kept: the reader's own, and those that are shared with him. */
export function BenchesDrawer({ opened, onClose, onOpen, onDeleted }: Props): ReactElement {
  const { user } = useMe();
  const queries = useQueryClient();
  const [find, setFind] = useState("");
  const [whose, setWhose] = useState("all");
  const [going, setGoing] = useState<BenchSummary | null>(null);
  const { data, error, refetch } = useQuery({ ...benchesQuery, enabled: opened });
  const open = useMutation({ mutationFn: benchOf, onSuccess: onOpen });
  const remove = useMutation({
    mutationFn: (bench: BenchSummary) => deleteBench(bench.id),
    onSuccess: (_, bench) => {
      toast(`${bench.name} is deleted`);
      setGoing(null);
      onDeleted(bench.id);
      void queries.invalidateQueries({ queryKey: benchesQuery.queryKey });
    },
  });
  const wanted = find.trim().toLowerCase();
  const shown = data?.filter(
    (bench) =>
      (whose === "all" || bench.owner === user.id) &&
      `${bench.name} ${bench.owner} ${bench.excerpt}`.toLowerCase().includes(wanted),
  );
  return (
    <Drawer opened={opened} onClose={onClose} title="Saved benches">
      <Stack gap="sm">
        <Group gap="xs">
          <TextInput
            aria-label="Search benches"
            placeholder="Search benches"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={find}
            onChange={(event) => setFind(event.currentTarget.value)}
          />
          <SegmentedControl
            aria-label="Whose"
            value={whose}
            onChange={setWhose}
            data={[
              { value: "all", label: "All" },
              { value: "own", label: "Yours" },
            ]}
          />
        </Group>
        {error !== null && <ErrorState error={error} title="Benches cannot be shown" onRetry={() => void refetch()} />}
        {open.isError && <ProblemList problems={problemsOf(open.error)} />}
        {data === undefined && error === null && <Skeletons />}
        {data?.length === 0 && (
          <EmptyState icon={<IconBookmarks />} title="Nothing is saved yet">
            Save keeps a text under a name, for you alone or for others too.
          </EmptyState>
        )}
        {shown?.length === 0 && data !== undefined && data.length > 0 && <Text c="dimmed">No bench has that.</Text>}
        {shown?.map((bench) => (
          <BenchItem
            key={bench.id}
            bench={bench}
            busy={open.isPending && open.variables === bench.id}
            onOpen={() => open.mutate(bench.id)}
            onDelete={() => setGoing(bench)}
          />
        ))}
      </Stack>
      <ConfirmDialog
        opened={going !== null}
        title={`Delete ${going?.name ?? ""}?`}
        action="Delete"
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => going !== null && remove.mutate(going)}
        onClose={() => {
          remove.reset();
          setGoing(null);
        }}
      >
        It goes for all who read it. This cannot be taken back.
      </ConfirmDialog>
    </Drawer>
  );
}
