import { SimpleGrid } from "@mantine/core";
import type { ReactElement } from "react";

import { Grid } from "./Grid";
import classes from "./Results.module.css";
import type { Run } from "./state";

/** Two results beside each other; nothing runs again. */
export function Compared({ runs }: { runs: readonly Run[] }): ReactElement {
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="sm">
      {runs.map(
        (run) =>
          run.answer !== null &&
          run.handle !== null && (
            <section key={run.id} className={classes.compared} aria-label={run.sql.slice(0, 80)}>
              <pre className={classes.statement}>{run.sql}</pre>
              <Grid
                handle={run.handle}
                columns={run.answer.columns}
                rowCount={run.answer.rowCount ?? 0}
                first={run.answer.rows}
              />
            </section>
          ),
      )}
    </SimpleGrid>
  );
}
