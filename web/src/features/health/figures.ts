import { count, size } from "@/lib/sizes";
import { duration } from "@/lib/durations";
import { by, one, type Metrics } from "./metrics";

const total = (values: Map<string, number>): number => [...values.values()].reduce((sum, value) => sum + value, 0);

const listed = (values: Map<string, number>): string =>
  [...values]
    .filter(([, value]) => value > 0)
    .map(([name, value]) => `${count(value)} ${name}`)
    .join(", ");

/** What goes on in the installation: names and words. Null: it is not told. */
export function usageOf(metrics: Metrics): (readonly [string, string | null])[] {
  const number = (name: string): string | null => {
    const value = one(metrics, name);
    return value === null ? null : count(value);
  };
  const memory = by(metrics, "dataos_engine_resident_memory_bytes", "cluster");
  const lag = one(metrics, "dataos_schedule_lag_seconds");
  return [
    [
      "Resources",
      `${count(total(by(metrics, "dataos_resources", "type")))}: ${listed(by(metrics, "dataos_resources", "status"))}`,
    ],
    ["Runs kept", listed(by(metrics, "dataos_runs", "state")) || "none"],
    ["Jobs under way", number("dataos_jobs_running")],
    ["Jobs that wait", listed(by(metrics, "dataos_jobs_waiting", "reason")) || "none"],
    ["Schedules", number("dataos_schedules")],
    ["Paused", number("dataos_schedules_paused")],
    ["Latest tick overdue by", lag === null ? null : duration(lag)],
    ["Looks that failed", number("dataos_work_failing")],
    ["Memory of engines", [...memory].map(([name, bytes]) => `${name} ${size(bytes)}`).join(", ") || null],
    ["Servers", listed(by(metrics, "dataos_servers", "state"))],
  ];
}

/** When a home of this store was saved last; null: never. */
export function backupOf(metrics: Metrics): string | null {
  const seconds = one(metrics, "dataos_last_backup_timestamp_seconds");
  return seconds === null ? null : new Date(seconds * 1000).toISOString();
}
