import { Spotlight, type SpotlightActionData } from "@mantine/spotlight";
import { IconBox, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState, type ReactElement } from "react";

import { resourcesQuery } from "@/features/resources/queries";
import { whereOf } from "@/features/resources/where";
import classes from "./CommandPalette.module.css";
import { useMe } from "./me";
import { SECTIONS } from "./sections";

const MOST = 12;

/** Ctrl K: jump to a section or a Resource by a few letters. */
export function CommandPalette(): ReactElement {
  const me = useMe();
  const navigate = useNavigate();
  const [opened, setOpened] = useState(false);
  const { data } = useQuery({ ...resourcesQuery, enabled: opened });
  const actions = useMemo((): SpotlightActionData[] => {
    const sections = SECTIONS.filter((s) => s.open?.(me) ?? true).map((section) => ({
      id: section.to,
      label: section.label,
      keywords: section.keywords,
      leftSection: <section.icon size={20} aria-hidden />,
      onClick: () => void navigate({ to: section.to }),
    }));
    const resources = (data ?? []).map((resource) => ({
      id: resource.id,
      label: resource.name,
      description: `${resource.type}${resource.workspace === null ? "" : ` in ${resource.workspace}`}`,
      leftSection: <IconBox size={20} aria-hidden />,
      onClick: () => void navigate({ to: "/operations/resources/$type/$name", ...whereOf(resource) }),
    }));
    return [...sections, ...resources];
  }, [me, data, navigate]);
  return (
    <Spotlight
      actions={actions}
      shortcut={["mod + K"]}
      attributes={{ content: { "aria-label": "Search and jump" } }}
      classNames={{ actionDescription: classes.description }}
      limit={MOST}
      scrollable
      maxHeight={420}
      highlightQuery
      nothingFound="Nothing has that name"
      onSpotlightOpen={() => setOpened(true)}
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: "Section or Resource",
        "aria-label": "Section or Resource",
      }}
    />
  );
}
