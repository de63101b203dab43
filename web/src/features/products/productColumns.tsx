import { momentColumn, stateColumn } from "@/components/columns";
import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import { FavoriteButton } from "./FavoriteButton";
import type { Card } from "./queries";
import { qualityWords } from "./qualityWords";

/** The list of products as a table. */
export const COLUMNS: readonly Column<Card>[] = [
  {
    id: "favorite",
    header: "Favourite",
    value: (card) => (card.favorite ? "yes" : "no"),
    width: 1.1,
    cell: (card) => <FavoriteButton name={card.name} title={card.title} favorite={card.favorite} />,
  },
  {
    id: "title",
    header: "Product",
    value: (card) => card.title,
    width: 2.4,
    cell: (card) => (
      <Link to="/products/$name" params={{ name: card.name }} fw={550}>
        {card.title}
      </Link>
    ),
  },
  { id: "tier", header: "Tier", value: (card) => card.tiers.join(", "), width: 1.4 },
  { id: "domain", header: "Domain", value: (card) => card.domains.join(", "), width: 1.4 },
  { id: "usecase", header: "Use case", value: (card) => card.useCases.join(", "), width: 1.6 },
  { id: "owner", header: "Owner", value: (card) => card.ownerName, width: 1.2 },
  stateColumn("stage", "Stage", (card) => card.stage, 1.3),
  { id: "quality", header: "Quality", value: (card) => qualityWords(card.quality), width: 1.6 },
  momentColumn("updated", "Updated", (card) => card.updated, 1.3),
];
