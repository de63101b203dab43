import { ActionIcon, Badge, Group, Tooltip } from "@mantine/core";
import { IconPencil } from "@tabler/icons-react";
import { useState, type ReactElement } from "react";

import { useMe } from "@/app/me";
import { TagsDialog } from "./TagsDialog";

interface Props {
  /** Address of a dataset, `#column` after it for one of its columns. */
  asset: string;
  owner: string;
  tags: readonly string[];
  product: string;
}

const GOVERNS = "manage-governance-primitives";

/** Tags of a dataset or column; who may likely change them finds the way to do so. */
export function TagsButton({ asset, owner, tags, product }: Props): ReactElement {
  const me = useMe();
  const [opened, setOpened] = useState(false);
  const changes = me.user.id === owner || me.may.has(GOVERNS);
  return (
    <Group gap={4} wrap="nowrap">
      {changes && (
        <Tooltip label="Change tags">
          <ActionIcon
            variant="subtle"
            size="sm"
            aria-label={`Change tags of ${asset.split("#").at(1) ?? "the dataset"}`}
            onClick={() => setOpened(true)}
          >
            <IconPencil size={14} aria-hidden />
          </ActionIcon>
        </Tooltip>
      )}
      {tags.length === 0 && "–"}
      {tags.map((tag) => (
        <Badge key={tag} variant="default" tt="none" fw={500}>
          {tag}
        </Badge>
      ))}
      {opened && <TagsDialog asset={asset} product={product} onClose={() => setOpened(false)} />}
    </Group>
  );
}
