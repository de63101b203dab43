import { Button, Group, MultiSelect, Select, Stack } from "@mantine/core";
import { IconPlayerPlay, IconPlayerStop, IconTerminal2 } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";

import { Surface } from "@/components/Surface";
import { workbenchLink } from "../addresses";
import { accessQuery, type Dataset } from "../queries";
import type { Choices } from "./choices";
import { FilterRows } from "./FilterRows";
import { GroupRows } from "./GroupRows";
import { MeasureRows } from "./MeasureRows";
import type { Option } from "./options";
import { OrderRow } from "./OrderRow";
import type { Built } from "./sql";

interface Props {
  product: string;
  datasets: readonly Dataset[];
  dataset: Dataset | undefined;
  choices: Choices;
  built: Built;
  running: boolean;
  onChange: (choices: Choices) => void;
  onRun: (sql: string) => void;
  onStop: () => void;
}

/** What is asked of which dataset. */
export function ChoicePanel(props: Props): ReactElement {
  const { product, datasets, dataset, choices, built, running, onChange, onRun, onStop } = props;
  const address = dataset?.address ?? "";
  const access = useQuery({ ...accessQuery(product, address), enabled: address !== "" });
  const masked = new Set(access.data?.columns.filter(({ shown }) => shown === "masked").map(({ column }) => column));
  const options = (dataset?.columns ?? []).map(({ name, type }): Option => ({
    value: name,
    label: masked.has(name) ? `${name} (masked)` : name,
    type,
  }));
  const together = (choices.groups?.length ?? 0) + (choices.measures?.length ?? 0) > 0;
  const sql = "sql" in built ? built.sql : null;
  return (
    <Surface label="What to show">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (sql !== null) onRun(sql);
        }}
      >
        <Stack gap="md">
          <Select
            label="Dataset"
            data={[...new Set(datasets.flatMap((one) => one.address ?? []))]}
            value={address}
            allowDeselect={false}
            onChange={(data) => onChange({ data: data ?? undefined, show: choices.show })}
          />
          {!together && (
            <MultiSelect
              label="Columns"
              placeholder={(choices.columns?.length ?? 0) === 0 ? "all" : undefined}
              data={options}
              value={choices.columns ?? []}
              searchable
              clearable
              clearButtonProps={{ "aria-label": "All columns" }}
              onChange={(columns) => onChange({ ...choices, columns: columns.length > 0 ? columns : undefined })}
            />
          )}
          <FilterRows choices={choices} options={options} onChange={onChange} />
          <GroupRows choices={choices} options={options} onChange={onChange} />
          <MeasureRows choices={choices} options={options} onChange={onChange} />
          <OrderRow choices={choices} options={options} onChange={onChange} />
          <Group gap="xs">
            <Button
              type="submit"
              loading={running}
              disabled={sql === null}
              leftSection={<IconPlayerPlay size={16} aria-hidden />}
            >
              Show
            </Button>
            {running && (
              <Button variant="default" leftSection={<IconPlayerStop size={16} aria-hidden />} onClick={onStop}>
                Stop
              </Button>
            )}
            {sql !== null && (
              <Button
                component="a"
                href={workbenchLink(sql)}
                variant="default"
                leftSection={<IconTerminal2 size={16} aria-hidden />}
              >
                Open in Workbench
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Surface>
  );
}
