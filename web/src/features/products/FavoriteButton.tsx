import { ActionIcon, Tooltip } from "@mantine/core";
import { IconStar, IconStarFilled } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { useFavorite } from "./useFavorite";

interface Props {
  name: string;
  title: string;
  favorite: boolean;
  className?: string;
}

/** The star of a product: pressed, it is among the reader's favourites. */
export function FavoriteButton({ name, title, favorite, className }: Props): ReactElement {
  const { starred, toggle } = useFavorite(name, favorite);
  const Icon = starred ? IconStarFilled : IconStar;
  return (
    <Tooltip label={starred ? "Take from favourites" : "Add to favourites"}>
      <ActionIcon
        variant="subtle"
        size="md"
        className={className}
        aria-pressed={starred}
        aria-label={`Favourite: ${title}`}
        onClick={toggle}
      >
        <Icon size={18} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
