import { Drawer as Panel } from "@mantine/core";
import type { ReactElement, ReactNode } from "react";

interface Props {
  opened: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
}

/** A panel from the right. Keeps the focus inside, gives it back when it closes. */
export function Drawer({ opened, onClose, title, children }: Props): ReactElement {
  return (
    <Panel
      opened={opened}
      onClose={onClose}
      title={title}
      position="right"
      size="min(720px, 100vw)"
      styles={{ title: { fontSize: "1.125rem", fontWeight: 650 } }}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {children}
    </Panel>
  );
}
