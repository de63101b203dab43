import { Text, Title } from "@mantine/core";
import { IconBulb, IconCrown, IconUser, IconWorld } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import { StatusBadge } from "@/components/StatusBadge";
import { Fact } from "./Fact";
import { FavoriteButton } from "./FavoriteButton";
import classes from "./ProductCard.module.css";
import type { Card } from "./queries";
import { qualityWords } from "./qualityWords";
import type { Group } from "./search";

interface Props {
  card: Card;
  group: Group;
  onPreview: () => void;
}

/** A product in the list. Its title leads to its page; the card itself, which is one button below all, to quick facts. */
export function ProductCard({ card, group, onPreview }: Props): ReactElement {
  const quality = qualityWords(card.quality);
  return (
    <article className={classes.card} aria-label={card.title}>
      <div className={classes.head}>
        <Title order={group === "none" ? 2 : 3} className={classes.title}>
          <Link to="/products/$name" params={{ name: card.name }} className={classes.above}>
            {card.title}
          </Link>
        </Title>
        <FavoriteButton name={card.name} title={card.title} favorite={card.favorite} className={classes.above} />
      </div>
      <Text size="sm" c="dimmed" lineClamp={2} className={classes.text}>
        {card.description === "" ? "No description" : card.description}
      </Text>
      <div className={classes.facts}>
        <Fact icon={IconCrown} label="Tier" values={card.tiers} />
        {group === "usecase" ? (
          <Fact icon={IconWorld} label="Domain" values={card.domains} />
        ) : (
          <Fact icon={IconBulb} label="Use case" values={card.useCases} />
        )}
        <Fact icon={IconUser} label="Owner" values={[card.ownerName]} />
      </div>
      <div className={classes.foot}>
        {card.stage !== "active" && <StatusBadge state={card.stage} />}
        {quality !== "" && (
          <Text span size="xs" c="dimmed">
            {quality}
          </Text>
        )}
        {card.tags.length > 0 && (
          <Text span size="xs" c="dimmed" truncate>
            {card.tags.join(" · ")}
          </Text>
        )}
      </div>
      <button type="button" className={classes.whole} aria-label={`Quick facts of ${card.title}`} onClick={onPreview} />
    </article>
  );
}
