import { expect, it } from "vitest";

import { metricsOf } from "./metrics";
import { isNear, usesOf } from "./uses";

const metrics = metricsOf(`dataos_disk_free_bytes 2.5e+09
dataos_disk_size_bytes 1e+10
dataos_quota_used{quota="runs"} 950
dataos_quota_limit{quota="runs"} 1000
dataos_quota_used{quota="run_logs"} 1048576
dataos_quota_limit{quota="run_logs"} 4194304
dataos_quota_used{quota="later"} 12
dataos_quota_limit{quota="later"} 0
`);

it("says what is used of what, the fullest first", () => {
  expect(usesOf(metrics).map((use) => [use.name, use.words, isNear(use)])).toEqual([
    ["Runs kept", "950 of 1,000 (95 %)", true],
    ["Disk of the home", "7.0 GiB of 9.3 GiB (75 %)", false],
    ["Logs of runs", "1.0 MiB of 4.0 MiB (25 %)", false],
    ["later", "12, without a bound", false],
  ]);
});

it("shows nothing where nothing is told", () => expect(usesOf(new Map())).toEqual([]));
