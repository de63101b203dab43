import { Tabs } from "@mantine/core";
import { Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";

import { PageHeader } from "@/components/PageHeader";

/** The frame of the profile's pages: each tab has an address of its own, and keeps the focus when it is chosen. */
export default function ProfileLayout(): ReactElement {
  const navigate = useNavigate();
  const tab = useLocation({ select: (location) => (location.pathname.endsWith("/tokens") ? "tokens" : "overview") });
  const choose = (value: string | null): void =>
    void navigate({ to: value === "tokens" ? "/profile/tokens" : "/profile" });
  return (
    <>
      <PageHeader title="Profile" />
      <Tabs value={tab} onChange={choose}>
        <Tabs.List mb="md">
          <Tabs.Tab value="overview">Overview</Tabs.Tab>
          <Tabs.Tab value="tokens">Tokens</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value={tab}>
          <Outlet />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}
