import { Badge, Title, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import type { ReactElement } from "react";

import classes from "./GroupHead.module.css";

interface Props {
  title: string;
  count: number;
  open: boolean;
  onToggle: () => void;
}

/** The head of a group of products: closes and opens it. */
export function GroupHead({ title, count, open, onToggle }: Props): ReactElement {
  const Icon = open ? IconChevronDown : IconChevronRight;
  return (
    <Title order={2} className={classes.head}>
      <UnstyledButton className={classes.button} aria-expanded={open} onClick={onToggle}>
        <Icon size={16} aria-hidden />
        {title}
        <Badge variant="default" fw={500} aria-label={`${count} products`}>
          {count}
        </Badge>
      </UnstyledButton>
    </Title>
  );
}
