import { expect, it } from "vitest";

import { metricsOf } from "./metrics";
import { backupOf, usageOf } from "./figures";

const metrics = metricsOf(`dataos_resources{type="depot",status="active"} 3
dataos_resources{type="secret",status="error"} 1
dataos_runs{state="failed"} 2
dataos_runs{state="running"} 0
dataos_jobs_running 1
dataos_schedule_lag_seconds 0
dataos_engine_resident_memory_bytes{cluster="miniature"} 1048576
dataos_last_backup_timestamp_seconds 1.7723664e+09
`);

it("says in words what goes on", () => {
  const told = Object.fromEntries(usageOf(metrics));
  expect(told).toMatchObject({
    Resources: "4: 3 active, 1 error",
    "Runs kept": "2 failed",
    "Jobs under way": "1",
    "Jobs that wait": "none",
    Paused: null,
    "Latest tick overdue by": "0 ms",
    "Memory of engines": "miniature 1.0 MiB",
  });
});

it("knows the last backup", () => {
  expect(backupOf(metrics)).toBe("2026-03-01T12:00:00.000Z");
  expect(backupOf(new Map())).toBeNull();
});
