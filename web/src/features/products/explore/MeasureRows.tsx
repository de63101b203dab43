import { Select } from "@mantine/core";
import type { ReactElement } from "react";

import type { Choices, How, Measure } from "./choices";
import { familyOf } from "./families";
import type { Option } from "./options";
import { Rows } from "./Rows";

interface Props {
  choices: Choices;
  options: readonly Option[];
  onChange: (choices: Choices) => void;
}

const MOST = 5;
const WORDS: readonly { value: How | "rows"; label: string }[] = [
  { value: "rows", label: "Number of rows" },
  { value: "count", label: "Filled values of" },
  { value: "distinct", label: "Different values of" },
  { value: "sum", label: "Sum of" },
  { value: "avg", label: "Average of" },
  { value: "min", label: "Least" },
  { value: "max", label: "Greatest" },
];
const OF_NUMBERS: readonly How[] = ["sum", "avg"];

/** What is computed of the rows of each group, or of all. */
export function MeasureRows({ choices, options, onChange }: Props): ReactElement {
  const fitting = (how: How): readonly Option[] =>
    OF_NUMBERS.includes(how) ? options.filter(({ type }) => familyOf(type) === "number") : options;
  const changed = (measure: Measure, how: string | null): Measure => {
    if (how === null || how === "rows") return { how: "count" };
    const wanted = how as How;
    const fits = fitting(wanted);
    const column = fits.find(({ value }) => value === measure.column) ?? fits[0];
    return { how: wanted, column: column?.value };
  };
  return (
    <Rows<Measure>
      label="Measures"
      one="measure"
      items={choices.measures ?? []}
      most={MOST}
      make={() => ({ how: "count" })}
      onChange={(measures) => onChange({ ...choices, measures, order: undefined, descending: undefined })}
      draw={(measure, position, change) => (
        <>
          <Select
            aria-label={`Measure ${position + 1}`}
            data={WORDS.filter(({ value }) => value === "rows" || fitting(value).length > 0)}
            value={measure.column === undefined ? "rows" : measure.how}
            allowDeselect={false}
            flex={1}
            onChange={(how) => change(changed(measure, how))}
          />
          {measure.column !== undefined && (
            <Select
              aria-label={`Column of measure ${position + 1}`}
              data={[...fitting(measure.how)]}
              value={measure.column}
              searchable
              allowDeselect={false}
              flex={1}
              onChange={(column) => column !== null && change({ ...measure, column })}
            />
          )}
        </>
      )}
    />
  );
}
