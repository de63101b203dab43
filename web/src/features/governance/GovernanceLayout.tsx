import { Outlet } from "@tanstack/react-router";
import { Suspense, type ReactElement } from "react";

import { AreaNav, type AreaPage } from "@/components/AreaNav";
import { Skeletons } from "@/components/Skeletons";

const PAGES: readonly AreaPage[] = [
  { label: "Users", to: "/governance/users" },
  { label: "Roles", to: "/governance/roles" },
  { label: "Grants", to: "/governance/grants" },
  { label: "Use cases", to: "/governance/use-cases" },
  { label: "Policies", to: "/governance/policies" },
  { label: "Explain", to: "/governance/explain" },
  { label: "Simulate", to: "/governance/simulate" },
  { label: "Coverage", to: "/governance/coverage" },
  { label: "Tags", to: "/governance/tags" },
  { label: "Audit", to: "/governance/audit" },
];

/** The second row of navigation, above every screen of governance. */
export default function GovernanceLayout(): ReactElement {
  return (
    <>
      <AreaNav label="Governance" pages={PAGES} />
      <Suspense fallback={<Skeletons />}>
        <Outlet />
      </Suspense>
    </>
  );
}
