import { Button, Text } from "@mantine/core";
import type { ReactElement } from "react";

import classes from "./CanvasBox.module.css";

interface Props {
  title: string;
  address: string;
  /** The one around which the picture begins. */
  chosen: boolean;
  /** Shows its neighbours; undefined where they are shown. */
  onOpen: (() => void) | undefined;
}

/** A dataset in the picture of lineage. */
export function LineageBox({ title, address, chosen, onOpen }: Props): ReactElement {
  return (
    <div className={classes.box}>
      <Text className={classes.title} fw={chosen ? 700 : 500} title={address}>
        {title}
      </Text>
      {onOpen !== undefined && (
        <Button
          size="compact-xs"
          variant="subtle"
          className="nodrag nopan"
          onClick={onOpen}
          aria-label={`Show neighbours of ${address}`}
        >
          Show neighbours
        </Button>
      )}
      {chosen && (
        <Text size="xs" c="dimmed">
          where you began
        </Text>
      )}
    </div>
  );
}
