import type { ReactElement } from "react";

import { LoginCard } from "./LoginCard";

/** Where a browser ends that logged in for a program beside it. */
export default function DonePage(): ReactElement {
  return <LoginCard title="You are logged in" text="You can close this page." />;
}
