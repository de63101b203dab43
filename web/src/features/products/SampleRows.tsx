import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { IconEye } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { Skeletons } from "@/components/Skeletons";
import { ask } from "./explore/statements";
import { RowsTable } from "./RowsTable";

/** A few rows, as policies show them to the reader. They are asked for only when somebody wants them: that is a query. */
export function SampleRows({ sql }: { sql: string }): ReactElement {
  const [wanted, setWanted] = useState(false);
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ["sample", sql],
    queryFn: ({ signal }) => ask(sql, signal),
    enabled: wanted,
    gcTime: 0, // rows of others do not stay in memory
    staleTime: Infinity, // nor are they asked for again by coming back to the window
    retry: false,
  });
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={3} fz="1rem">
          Sample rows
        </Title>
        <Button
          variant="default"
          loading={isFetching}
          leftSection={<IconEye size={16} aria-hidden />}
          onClick={() => (wanted ? void refetch() : setWanted(true))}
        >
          {wanted ? "Read again" : "Show sample rows"}
        </Button>
      </Group>
      {!wanted && <Text c="dimmed">A few rows, with the filters and masks that hold for you.</Text>}
      {error !== null && <ErrorState error={error} title="Its rows cannot be shown" />}
      {wanted && data === undefined && error === null && <Skeletons rows={3} />}
      {data !== undefined && error === null && <RowsTable label="Sample rows" answer={data} />}
    </Stack>
  );
}
