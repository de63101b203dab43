import { Group, Title } from "@mantine/core";
import type { RowSelectionState } from "@tanstack/react-table";
import { useMemo, useState, type ReactElement } from "react";

import { DataTable, type Column } from "@/components/DataTable";
import { FilterMenu } from "@/components/FilterMenu";
import { SearchBox } from "@/components/SearchBox";
import { StatusBadge } from "@/components/StatusBadge";

interface Row {
  id: string;
  name: string;
  state: string;
  size: number;
}

const STATES = ["active", "error", "pending", "stopped", "next:2030-01-01"];
const ROWS: Row[] = Array.from({ length: 10_000 }, (_, i) => ({
  id: String(i),
  name: `row ${i}`,
  state: STATES[i % STATES.length] ?? "",
  size: (i * 7919) % 10_000,
}));
const COLUMNS: readonly Column<Row>[] = [
  { id: "name", header: "Name", value: (r) => r.name, width: 2 },
  { id: "state", header: "State", value: (r) => r.state, cell: (r) => <StatusBadge state={r.state} /> },
  { id: "size", header: "Size", value: (r) => r.size },
];

/** Ten thousand rows: searched, filtered, sorted, chosen. */
export function KitTable(): ReactElement {
  const [text, setText] = useState("");
  const [states, setStates] = useState<string[]>([]);
  const [selected, setSelected] = useState<RowSelectionState>({});
  const rows = useMemo(
    () => ROWS.filter((r) => r.name.includes(text) && (states.length === 0 || states.includes(r.state))),
    [text, states],
  );
  return (
    <section aria-label="Table">
      <Title order={2} mb="sm">
        DataTable, SearchBox, FilterMenu, StatusBadge ({Object.keys(selected).length} chosen)
      </Title>
      <Group mb="sm">
        <SearchBox label="Search rows" value={text} onChange={setText} />
        <FilterMenu label="State" options={STATES.map((s) => [s, 2000])} chosen={states} onChange={setStates} />
      </Group>
      <DataTable
        label="Rows"
        rows={rows}
        columns={COLUMNS}
        idOf={(r) => r.id}
        selected={selected}
        onSelect={setSelected}
      />
    </section>
  );
}
