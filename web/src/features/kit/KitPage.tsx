import { Stack } from "@mantine/core";
import type { ReactElement } from "react";

import { PageHeader } from "@/components/PageHeader";
import { KitDialogs } from "./KitDialogs";
import { KitStates } from "./KitStates";
import { KitTable } from "./KitTable";

/** Every shared piece, for who builds screens (development builds only). The theme switch shows the other theme. */
export default function KitPage(): ReactElement {
  return (
    <>
      <PageHeader title="Kit" description="The shared pieces. Switch the theme in the rail." />
      <Stack gap="xl">
        <KitTable />
        <KitStates />
        <KitDialogs />
      </Stack>
    </>
  );
}
