import { SegmentedControl } from "@mantine/core";
import type { ReactElement } from "react";

interface Props {
  whose: "all" | "mine";
  onChange: (whose: "all" | "mine") => void;
}

/** The reader's own statements, or those of everybody, which the server refuses to those who may not see them. */
export function WhoseStatements({ whose, onChange }: Props): ReactElement {
  return (
    <SegmentedControl
      aria-label="Whose statements"
      value={whose}
      onChange={onChange}
      data={[
        { value: "mine", label: "Mine" },
        { value: "all", label: "Of all users" },
      ]}
    />
  );
}
