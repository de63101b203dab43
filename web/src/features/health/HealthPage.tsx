import { Stack } from "@mantine/core";
import type { ReactElement } from "react";

import { PageHeader } from "@/components/PageHeader";
import { Findings } from "./Findings";
import { Numbers } from "./Numbers";
import { PartsList } from "./PartsList";

/** Operations > Health: does all work, what is not well and how to mend it, what is used of what. */
export default function HealthPage(): ReactElement {
  return (
    <>
      <PageHeader title="Health" description="What works, what needs a hand, and how much room is left." />
      <Stack gap="xl">
        <PartsList />
        <Findings />
        <Numbers />
      </Stack>
    </>
  );
}
