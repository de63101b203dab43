import { Button, Group, Text } from "@mantine/core";
import { IconLink, IconLinkOff } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { Failure } from "@/api/failure";
import { ErrorState } from "@/components/ErrorState";
import { useMe } from "@/app/me";
import { Banner } from "../shared/Banner";
import { verifyQuery } from "./queries";

/** Whether the audit is as it was written: the chain of its rows holds, or where it is broken. */
export function Verdict(): ReactElement | null {
  const me = useMe();
  const { data, error, isFetching, refetch } = useQuery(verifyQuery);
  const forbidden = error instanceof Failure && error.status === 403;
  if (forbidden) {
    return (
      <Text c="dimmed" size="sm">
        You see rows of {me.user.id}. To read those of others, and to verify them all, takes the use case{" "}
        <code>read-audit</code>.
      </Text>
    );
  }
  if (error !== null) {
    return <ErrorState error={error} title="The audit cannot be verified" onRetry={() => void refetch()} />;
  }
  if (data === undefined) return <Text c="dimmed">Verifying every row…</Text>;
  const again = (
    <Button variant="default" size="compact-sm" loading={isFetching} onClick={() => void refetch()}>
      Verify again
    </Button>
  );
  const before = data.removed > 0 ? ` ${data.removed} before them went because they were old.` : "";
  return data.ok ? (
    <Banner tone="good" icon={<IconLink />} title="The chain holds">
      <Group justify="space-between">
        <Text>
          {data.rows} rows are as they were written, and none is missing.{before}
        </Text>
        {again}
      </Group>
    </Banner>
  ) : (
    <Banner tone="bad" icon={<IconLinkOff />} title="The chain is broken">
      <Group justify="space-between">
        <Text>
          {data.reason}. The {data.rows} rows before it are as they were written.{before}
        </Text>
        {again}
      </Group>
    </Banner>
  );
}
