import { Alert, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import type { Card } from "./queries";

/** What consumers must know of a product's end; nothing for one that goes on. */
export function EndBanner({ banner }: { banner: Card["banner"] }): ReactElement | null {
  if (banner === null) return null;
  const instead = banner.replacedBy?.split(":").at(2);
  return (
    <Alert
      icon={<IconAlertTriangle aria-hidden />}
      title={banner.text}
      variant="outline"
      color="orange.9"
      styles={{ title: { color: "var(--warn)" } }}
    >
      {banner.retireOn !== null && <Text size="sm">Nothing of it is promised after {banner.retireOn}.</Text>}
      {instead !== undefined && (
        <Link to="/products/$name" params={{ name: instead }}>
          Go to {instead}, which replaces it
        </Link>
      )}
    </Alert>
  );
}
