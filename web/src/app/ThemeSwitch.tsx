import { Tooltip, UnstyledButton, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconMoon, IconSun } from "@tabler/icons-react";
import type { ReactElement } from "react";

/** Light or dark; until it is used, as the system has it. */
export function ThemeSwitch({ className }: { className: string }): ReactElement {
  const { setColorScheme } = useMantineColorScheme();
  const now = useComputedColorScheme("light");
  const other = now === "light" ? "dark" : "light";
  const Icon = other === "dark" ? IconMoon : IconSun;
  return (
    <Tooltip label={`Use the ${other} theme`} position="right">
      <UnstyledButton className={className} aria-label={`Use the ${other} theme`} onClick={() => setColorScheme(other)}>
        <Icon size={22} stroke={1.7} aria-hidden />
      </UnstyledButton>
    </Tooltip>
  );
}
