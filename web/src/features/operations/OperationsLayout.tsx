import { Outlet } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { AreaNav, type AreaPage } from "@/components/AreaNav";

const PAGES: readonly AreaPage[] = [
  { label: "Resources", to: "/operations/resources" },
  { label: "Workflows", to: "/operations/workflows" },
  { label: "Queries", to: "/operations/queries" },
  { label: "Events", to: "/operations/events" },
  { label: "Health", to: "/operations/health" },
];

/** What stands around every screen of Operations. */
export function OperationsLayout(): ReactElement {
  return (
    <>
      <AreaNav label="Operations" pages={PAGES} />
      <Outlet />
    </>
  );
}
