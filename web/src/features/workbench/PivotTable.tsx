import { Table, Text } from "@mantine/core";
import type { ReactElement } from "react";

import classes from "./PivotTable.module.css";
import type { Pivoted } from "./pivoting";

const MOST_LINES = 500;
const MOST_HEADS = 100;
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 4 });
const shown = (value: number | null): string => (value === null ? "" : number.format(value));

/** Groups with their totals. `titles`: of the columns that the rows are grouped by. */
export function PivotTable({ table, titles }: { table: Pivoted; titles: readonly string[] }): ReactElement {
  const heads = table.heads.slice(0, MOST_HEADS);
  const lines = table.lines.slice(0, MOST_LINES);
  const cut = heads.length < table.heads.length || lines.length < table.lines.length;
  return (
    <>
      {/* a region that scrolls must be reachable by keyboard */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className={classes.scroller} tabIndex={0} role="region" aria-label="Groups, scrolls">
        <Table striped withColumnBorders aria-label="Groups" className={classes.table}>
          <Table.Thead>
            <Table.Tr>
              {titles.map((title) => (
                <Table.Th key={title}>{title}</Table.Th>
              ))}
              {heads.map((head) => (
                <Table.Th key={head} ta="right">
                  {head}
                </Table.Th>
              ))}
              <Table.Th ta="right">Total</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {lines.map((line) => (
              <Table.Tr key={line.labels.join("\n")}>
                {line.labels.map((label, position) => (
                  <Table.Th key={titles[position]} scope="row" fw={500}>
                    {label}
                  </Table.Th>
                ))}
                {heads.map((head, position) => (
                  <Table.Td key={head} ta="right">
                    {shown(line.cells[position] ?? null)}
                  </Table.Td>
                ))}
                <Table.Td ta="right" fw={600}>
                  {shown(line.total)}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
          <Table.Tfoot>
            <Table.Tr>
              {titles.length > 0 && (
                <Table.Th scope="row" colSpan={titles.length}>
                  Total
                </Table.Th>
              )}
              {heads.map((head, position) => (
                <Table.Td key={head} ta="right" fw={600}>
                  {shown(table.totals[position] ?? null)}
                </Table.Td>
              ))}
              <Table.Td ta="right" fw={600}>
                {shown(table.total)}
              </Table.Td>
            </Table.Tr>
          </Table.Tfoot>
        </Table>
      </div>
      {cut && (
        <Text size="sm" c="dimmed">
          The first {MOST_LINES} groups down and {MOST_HEADS} across. Totals are of all.
        </Text>
      )}
    </>
  );
}
