import { Text } from "@mantine/core";
import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import { StatusBadge } from "@/components/StatusBadge";
import { FavoriteButton } from "./FavoriteButton";
import classes from "./ProductLines.module.css";
import type { Card } from "./queries";

/** A few products, one below the other. */
export function ProductLines({ cards }: { cards: readonly Card[] }): ReactElement {
  return (
    <ul className={classes.lines}>
      {cards.map((card) => (
        <li key={card.id} className={classes.line}>
          <div className={classes.words}>
            <Link to="/products/$name" params={{ name: card.name }} fw={550}>
              {card.title}
            </Link>
            <Text size="sm" c="dimmed" lineClamp={1}>
              {[...card.domains, card.ownerName].join(" · ")}
            </Text>
          </div>
          <div className={classes.signs}>
            {card.stage !== "active" && <StatusBadge state={card.stage} />}
            <FavoriteButton name={card.name} title={card.title} favorite={card.favorite} />
          </div>
        </li>
      ))}
    </ul>
  );
}
