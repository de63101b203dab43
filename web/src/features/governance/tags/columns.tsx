import type { Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import type { Rule } from "../shared/queries";
import type { UsedTag } from "./queries";

/** The list of tags. `rules`: policies in force; `q`: what is searched for, which stays. */
export function tagColumns(rules: readonly Rule[], q: string | undefined): readonly Column<UsedTag>[] {
  const masks = (tag: string): string =>
    rules
      .filter((rule) => rule.columnTags.includes(tag))
      .map((rule) => rule.policy)
      .join(", ");
  return [
    {
      id: "tag",
      header: "Tag",
      value: (t) => t.tag,
      width: 2,
      cell: (t) => (
        <Link to="/governance/tags" search={{ q, tag: t.tag }} fw={550}>
          {t.tag}
        </Link>
      ),
    },
    { id: "datasets", header: "Datasets", value: (t) => t.datasets },
    { id: "columns", header: "Columns", value: (t) => t.columns },
    { id: "masks", header: "Masked by", value: (t) => masks(t.tag), width: 4 },
  ];
}
