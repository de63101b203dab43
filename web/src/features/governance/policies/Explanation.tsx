import { Stack, Text } from "@mantine/core";
import { IconCircleCheck, IconCircleX } from "@tabler/icons-react";
import { Fragment, type ReactElement } from "react";

import { DataTable, type Column } from "@/components/DataTable";
import { Link } from "@/components/Link";
import { StatusBadge } from "@/components/StatusBadge";
import { Banner } from "../shared/Banner";
import { inWords } from "../shared/subjects";
import { Section } from "../shared/Section";
import type { Explained } from "./queries";

type Matched = Explained["matched"][number];
type Seen = Explained["columns"][number];

/** A decision: what it is, by which policy, and what is seen. */
export function Explanation({ found }: { found: Explained }): ReactElement {
  const Icon = found.allowed ? IconCircleCheck : IconCircleX;
  return (
    <Stack aria-live="polite">
      <Banner
        tone={found.allowed ? "good" : "bad"}
        icon={<Icon />}
        title={`${found.user} ${found.allowed ? "may" : "may not"} ${found.predicate} ${found.object}`}
      >
        {found.decidedBy.length === 0 ? (
          "No policy and no grant matches: what nothing allows is refused."
        ) : (
          <>
            {found.allowed ? "Allowed by " : "Denied by "}
            {found.decidedBy.map((name, position) => (
              <Fragment key={name}>
                {position > 0 && ", "}
                <Decider name={name} />
              </Fragment>
            ))}
          </>
        )}
      </Banner>
      {found.matched.length > 0 && (
        <Section title="What matches">
          <DataTable label="What matches" rows={found.matched} columns={MATCHED} idOf={(one) => one.policy} />
        </Section>
      )}
      {found.filters.length > 0 && (
        <Section title="Rows">
          {found.filters.map((one) => (
            <Text key={`${one.policy} ${one.filter}`}>
              Only rows where <code>{one.filter}</code>, by <Decider name={one.policy} />
            </Text>
          ))}
        </Section>
      )}
      {found.columns.length > 0 && (
        <Section title="Columns">
          <DataTable label="Columns" rows={found.columns} columns={SEEN} idOf={(one) => one.column} />
        </Section>
      )}
    </Stack>
  );
}

/** A policy, or a grant, which calls itself `grant <id> of <use case>`. */
function Decider({ name }: { name: string }): ReactElement {
  const grant = /^grant (\S+) of /.exec(name)?.[1];
  if (grant !== undefined) {
    return (
      <Link to="/governance/grants/$id" params={{ id: grant }} underline="always">
        {name}
      </Link>
    );
  }
  return (
    <Link to="/governance/policies/$name" params={{ name }} underline="always">
      {name}
    </Link>
  );
}

const effectOf = (one: Matched): string => (one.allow ? "allow" : "deny");
const MATCHED: readonly Column<Matched>[] = [
  {
    id: "policy",
    header: "Policy or grant",
    value: (m) => m.policy,
    width: 3,
    cell: (m) => <Decider name={m.policy} />,
  },
  { id: "effect", header: "Effect", value: effectOf, cell: (m) => <StatusBadge state={effectOf(m)} /> },
  { id: "layer", header: "Layer", value: (m) => m.layer },
  { id: "origin", header: "Origin", value: (m) => m.origin },
  { id: "who", header: "Who", value: (m) => inWords(m.subjects), width: 2 },
  {
    id: "what",
    header: "What",
    value: (m) => [...m.paths, ...(m.tags.length > 0 ? [inWords(m.tags)] : [])].join(", "),
    width: 3,
  },
];
const SEEN: readonly Column<Seen>[] = [
  { id: "column", header: "Column", value: (c) => c.column, width: 1.6 },
  { id: "tags", header: "Tags", value: (c) => c.tags.join(", "), width: 1.6 },
  { id: "shown", header: "Seen", value: (c) => c.shown, cell: (c) => <StatusBadge state={c.shown} /> },
  { id: "mask", header: "As", value: (c) => c.mask ?? "", width: 2.4 },
  {
    id: "policy",
    header: "By",
    value: (c) => c.policy ?? "",
    width: 1.6,
    cell: (c) => (c.policy === null ? "" : <Decider name={c.policy} />),
  },
  {
    id: "candidates",
    header: "Masks that select it",
    value: (c) => c.candidates.map((one) => `${one.policy} (${one.priority})`).join(", "),
    width: 2.4,
  },
];
