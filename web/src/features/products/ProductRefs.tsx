import { Group, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";

import { StatusBadge } from "@/components/StatusBadge";
import classes from "./ProductRefs.module.css";
import type { Product } from "./queries";

/** Each reference of the manifest with how it stands: what is missing is why a product is not active. */
export function ProductRefs({ product }: { product: Product }): ReactElement {
  if (product.refs.length === 0) return <Text c="dimmed">Nothing yet: it is a draft.</Text>;
  return (
    <ul className={classes.refs}>
      {product.refs.map(({ side, ref, health, reason }, position) => (
        <li key={`${side} ${ref} ${position}`} className={classes.ref}>
          <Stack gap={0} miw={0}>
            <Text className={classes.name}>{ref}</Text>
            <Text size="sm" c="dimmed">
              {side}
              {reason !== "" && `: ${reason}`}
            </Text>
          </Stack>
          <Group>
            <StatusBadge state={health} />
          </Group>
        </li>
      ))}
    </ul>
  );
}
