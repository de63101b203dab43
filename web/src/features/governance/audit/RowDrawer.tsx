import { Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { CodeBlock } from "@/components/CodeBlock";
import { DescriptionList } from "@/components/DescriptionList";
import { Drawer } from "@/components/Drawer";
import { StatusBadge } from "@/components/StatusBadge";
import { exact } from "@/lib/times";
import { AsyncPart } from "../shared/AsyncPart";
import { decisionOf } from "./columns";
import { auditRowQuery } from "./queries";

interface Props {
  seq: number;
  onClose: () => void;
}

/** All that one row of the audit says. */
export function RowDrawer({ seq, onClose }: Props): ReactElement {
  const query = useQuery(auditRowQuery(seq));
  return (
    <Drawer opened onClose={onClose} title={`Row ${seq}`}>
      <AsyncPart query={query} failed="This row cannot be shown">
        {(row) =>
          row === null ? (
            <Text c="dimmed">There is no such row, or it is not yours to see.</Text>
          ) : (
            <Stack>
              <DescriptionList
                items={[
                  ["When", exact(new Date(row.at))],
                  ["Actor", row.actor],
                  ["Run as", row.run_as],
                  ["Action", row.action],
                  ["Object", row.object],
                  ["Decision", <StatusBadge key="decision" state={decisionOf(row)} />],
                  ["By", row.policies.join(", ")],
                  ["Correlation", row.correlation],
                  ["Digest", row.digest],
                ]}
              />
              {Object.keys(row.data).length > 0 && (
                <CodeBlock label={`Data of row ${seq}`} code={JSON.stringify(row.data, null, 2)} />
              )}
            </Stack>
          )
        }
      </AsyncPart>
    </Drawer>
  );
}
