import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";

import { problemsOf } from "@/api/failure";
import { ProblemList } from "@/components/ProblemList";
import { sourcesQuery } from "./queries";
import { upstreamOf } from "./sources";

/** Of which columns one is made: asked for on demand, since it is a question for each row. */
export function InheritedFrom({ asset }: { asset: string }): ReactElement {
  const [address = "", column = ""] = asset.split("#");
  const [asked, setAsked] = useState(false);
  const { data, error } = useQuery({ ...sourcesQuery(address, column), enabled: asked });
  if (!asked) {
    return (
      <div>
        <Button variant="subtle" size="compact-xs" onClick={() => setAsked(true)}>
          From what?
        </Button>
      </div>
    );
  }
  if (error !== null) return <ProblemList problems={problemsOf(error)} />;
  if (data === undefined) return <Text size="sm">…</Text>;
  const found = upstreamOf(data);
  return (
    <Text size="sm" c="dimmed">
      {found.length === 0 ? "What it was made of is not known any more." : `From ${found.join(", ")}`}
    </Text>
  );
}
