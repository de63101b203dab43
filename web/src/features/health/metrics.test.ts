import { expect, it } from "vitest";

import { by, metricsOf, one } from "./metrics";

const TEXT = `# HELP dataos_store_up 1 if the store answers.
# TYPE dataos_store_up gauge
dataos_store_up 1.0
dataos_resources{type="depot",status="active"} 3.0
dataos_resources{type="depot",status="error"} 1.0
dataos_resources{type="secret",status="active"} 2.0
odd{name="a \\"b\\" \\\\ c, d=\\"e\\"",x="y"} 1e+09
requests_bucket{le="0.5"} 7 # {trace="t"} 0.3
broken line
dataos_nan NaN
# EOF
`;

it("reads names, labels with their escapes, and numbers", () => {
  const metrics = metricsOf(TEXT);
  expect(one(metrics, "dataos_store_up")).toBe(1);
  expect(metrics.get("odd")).toEqual([{ labels: { name: 'a "b" \\ c, d="e"', x: "y" }, value: 1e9 }]);
  expect(metrics.get("requests_bucket")).toEqual([{ labels: { le: "0.5" }, value: 7 }]);
  expect(one(metrics, "broken")).toBeNull();
  expect(one(metrics, "dataos_nan")).toBeNull();
});

it("adds up by a label", () => {
  const metrics = metricsOf(TEXT);
  expect([...by(metrics, "dataos_resources", "type")]).toEqual([
    ["depot", 4],
    ["secret", 2],
  ]);
  expect(by(metrics, "none", "type").size).toBe(0);
});
