import { Button, Menu } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import type { UseMutationResult } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { FORMATS, type Format } from "@/lib/downloads";

interface Props {
  /** Of `useDownload`; whoever shows the menu shows its error, too. */
  download: UseMutationResult<void, Error, Format>;
  size?: "xs" | "sm";
}

/** A whole answer as a file, in the reader's format. */
export function DownloadMenu({ download, size = "sm" }: Props): ReactElement {
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <Button
          size={size}
          variant="default"
          loading={download.isPending}
          leftSection={<IconDownload size={16} aria-hidden />}
        >
          Download
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {FORMATS.map(([format, label]) => (
          <Menu.Item key={format} onClick={() => download.mutate(format)}>
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
