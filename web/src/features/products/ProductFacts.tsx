import { Anchor, Group, Stack } from "@mantine/core";
import { IconBrandGit, IconBulb, IconCrown, IconTag, IconTicket, IconUsers, IconWorld } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { Fact } from "./Fact";
import { safeLink } from "./links";
import { QualityBadges } from "./QualityBadges";
import type { Product } from "./queries";

/** Below the title: what it is for, who stands behind it, where its code and its issues are, how good its data is. */
export function ProductFacts({ product }: { product: Product }): ReactElement {
  const people = product.people.map(({ name, role }) => (role === "" ? name : `${name} (${role})`));
  const code = safeLink(product.sourceCodeUrl);
  const issues = safeLink(product.trackerUrl);
  return (
    <Stack gap="xs">
      <Group gap="lg">
        <Fact icon={IconWorld} label="Domain" values={product.domains} />
        <Fact icon={IconCrown} label="Tier" values={product.tiers} />
        <Fact icon={IconBulb} label="Use case" values={product.useCases} />
        <Fact icon={IconUsers} label="People" values={people.length > 0 ? people : [product.ownerName]} />
        <Fact icon={IconTag} label="Tags" values={product.tags} />
        {code !== null && <Outside href={code} icon={IconBrandGit} text="Code" />}
        {issues !== null && <Outside href={issues} icon={IconTicket} text="Issues" />}
      </Group>
      <QualityBadges quality={product.quality} />
    </Stack>
  );
}

function Outside({ href, icon: Icon, text }: { href: string; icon: typeof IconTag; text: string }): ReactElement {
  return (
    <Anchor href={href} target="_blank" rel="noreferrer" size="sm">
      <Icon size={14} aria-hidden /> {text}
    </Anchor>
  );
}
