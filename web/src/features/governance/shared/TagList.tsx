import { Badge, Group } from "@mantine/core";
import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import { roleOf, userOf } from "./subjects";

/** Tags, each on a badge; roles and users lead to their pages. */
export function TagList({ tags }: { tags: readonly string[] }): ReactElement | null {
  if (tags.length === 0) return null;
  return (
    <Group gap={6}>
      {tags.map((tag) => (
        <Badge key={tag} variant="default" tt="none" fw={500}>
          <TagName tag={tag} />
        </Badge>
      ))}
    </Group>
  );
}

/** A tag by its name, with the way to what it names. */
export function TagName({ tag }: { tag: string }): ReactElement {
  const [role, user] = [roleOf(tag), userOf(tag)];
  if (role !== undefined) {
    return (
      <Link to="/governance/roles/$id" params={{ id: role }} inherit>
        {tag}
      </Link>
    );
  }
  if (user !== undefined) {
    return (
      <Link to="/governance/users/$id" params={{ id: user }} inherit>
        {tag}
      </Link>
    );
  }
  return <>{tag}</>;
}
