import { Button, Group, Text, Title } from "@mantine/core";
import { IconStethoscope } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { ErrorState } from "@/components/ErrorState";
import { RelativeTime } from "@/components/RelativeTime";
import { Skeletons } from "@/components/Skeletons";
import { Surface } from "@/components/Surface";
import { FindingLine } from "./FindingLine";
import classes from "./Findings.module.css";
import { summaryOf, worstFirst } from "./examination";
import { doctorQuery } from "./queries";

/** What the doctor found, the worst first, with what mends it. */
export function Findings(): ReactElement {
  const { data, isPending, isFetching, isError, error, refetch, dataUpdatedAt } = useQuery(doctorQuery);
  return (
    <section aria-labelledby="health-doctor">
      <Group justify="space-between" mb="sm">
        <Title order={2} id="health-doctor">
          Examination
        </Title>
        <Button
          variant="default"
          leftSection={<IconStethoscope size={16} aria-hidden />}
          loading={isFetching}
          onClick={() => void refetch()}
        >
          Examine again
        </Button>
      </Group>
      {isPending && <Skeletons rows={5} />}
      {isError && <ErrorState error={error} title="The server cannot be examined" />}
      {data !== undefined && (
        <Surface label="Findings">
          <Text mb="xs" role="status">
            {summaryOf(data)}, <RelativeTime at={new Date(dataUpdatedAt).toISOString()} />
          </Text>
          <ul className={classes.list}>
            {worstFirst(data).map((finding, position) => (
              <FindingLine key={`${finding.name}-${position}`} finding={finding} />
            ))}
          </ul>
        </Surface>
      )}
    </section>
  );
}
