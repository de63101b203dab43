import { Button } from "@mantine/core";
import { IconShieldCheck, IconShieldHalf, IconShieldX } from "@tabler/icons-react";
import { useState, type ReactElement } from "react";

import { AccessDrawer } from "./AccessDrawer";

const ICONS: Record<string, typeof IconShieldX> = {
  "Full Access": IconShieldCheck,
  "Restricted Access": IconShieldHalf,
};

interface Props {
  name: string;
  address: string;
  label: string;
}

/** What one may see of a dataset, in two words; opens what that means. */
export function AccessButton({ name, address, label }: Props): ReactElement {
  const [opened, setOpened] = useState(false);
  const Icon = ICONS[label] ?? IconShieldX;
  return (
    <>
      <Button variant="default" leftSection={<Icon size={16} aria-hidden />} onClick={() => setOpened(true)}>
        {label}
      </Button>
      <AccessDrawer name={name} address={address} opened={opened} onClose={() => setOpened(false)} />
    </>
  );
}
