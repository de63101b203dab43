import { Skeleton, Stack } from "@mantine/core";
import type { ReactElement } from "react";

/** While rows are read. */
export function Skeletons({ rows = 6, height = 36 }: { rows?: number; height?: number }): ReactElement {
  return (
    <Stack gap="xs" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, position) => (
        <Skeleton key={position} height={height} radius="sm" />
      ))}
    </Stack>
  );
}
