import { Button, Group, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";

import type { components } from "@/api/schema";
import { DescriptionList } from "@/components/DescriptionList";
import { StatusBadge } from "@/components/StatusBadge";

type Asked = components["schemas"]["dataos__doors__product_pages__Asked"];

/** What became of a request for access. */
export function AskedAccess({ asked, onClose }: { asked: Asked; onClose: () => void }): ReactElement {
  return (
    <Stack aria-live="polite">
      <Text>Your request is filed. It takes effect as soon as somebody who decides on access approves it.</Text>
      <DescriptionList
        items={[
          ["State", <StatusBadge key="state" state={asked.state} />],
          ["For", asked.datasets.join(", ")],
          ["Told", asked.told.length > 0 ? asked.told.join(", ") : "nobody: the product has no other people"],
          ["Request", asked.id],
        ]}
      />
      <Group justify="flex-end">
        <Button onClick={onClose} data-autofocus>
          Close
        </Button>
      </Group>
    </Stack>
  );
}
