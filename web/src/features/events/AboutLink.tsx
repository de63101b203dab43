import type { ReactElement } from "react";

import { Link } from "@/components/Link";
import type { Happening } from "@/features/resources/queries";
import { whereOf } from "@/features/resources/where";
import { aboutOf, runOf } from "./happenings";

/** The way to what an event is about: a run, a Workflow, another Resource. */
export function AboutLink({ item }: { item: Happening }): ReactElement {
  const about = aboutOf(item);
  if (about === null) return <span>{item.id ?? "–"}</span>;
  if (about.type === "workflow" && about.workspace !== null) {
    return (
      <Link
        to="/operations/workflows/$workspace/$name"
        params={{ workspace: about.workspace, name: about.name }}
        search={{ run: runOf(item) ?? undefined }}
      >
        {about.name}
      </Link>
    );
  }
  return (
    <Link to="/operations/resources/$type/$name" {...whereOf(about)}>
      {about.name}
    </Link>
  );
}
