import { Breadcrumbs, Group, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useEffect, useRef, type ReactElement, type ReactNode } from "react";

import { arrive } from "@/lib/arrival";
import classes from "./PageHeader.module.css";

interface Props {
  title: string;
  description?: ReactNode;
  /** Links from the section down to this page's parent. */
  crumbs?: readonly ReactElement[];
  actions?: ReactNode;
}

/** Where one is. The heading takes the focus after a change of page, so that it is read out. */
export function PageHeader({ title, description, crumbs = [], actions }: Props): ReactElement {
  const heading = useRef<HTMLHeadingElement>(null);
  useDocumentTitle(`${title} · DataOS`);
  useEffect(() => {
    if (arrive()) heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <header className={classes.header}>
      {crumbs.length > 0 && (
        <nav aria-label="Breadcrumbs">
          <Breadcrumbs separatorMargin={6} className={classes.crumbs}>
            {crumbs}
            <span aria-current="page">{title}</span>
          </Breadcrumbs>
        </nav>
      )}
      <Group justify="space-between" align="flex-start" gap="sm">
        <div className={classes.words}>
          <Title order={1} tabIndex={-1} ref={heading}>
            {title}
          </Title>
          {description !== undefined && <Text c="dimmed">{description}</Text>}
        </div>
        {actions !== undefined && <Group gap="xs">{actions}</Group>}
      </Group>
    </header>
  );
}
