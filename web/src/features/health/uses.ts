import { count, size } from "@/lib/sizes";
import { by, one, type Metrics } from "./metrics";

/** How much of something is used, in words too. */
export interface Use {
  name: string;
  /** The setting that bounds it, if one does. */
  setting: string;
  share: number;
  words: string;
}

const QUOTAS: Record<string, { name: string; setting: string; bytes: boolean }> = {
  run_logs: { name: "Logs of runs", setting: "quotas.run_logs_mib", bytes: true },
  scratch: { name: "Files of ended runs", setting: "quotas.scratch_mib", bytes: true },
  server_log: { name: "Log of the server", setting: "quotas.server_log_mib", bytes: true },
  engine_spill: { name: "Spill of engines", setting: "engine.spill_mib", bytes: true },
  runs: { name: "Runs kept", setting: "quotas.runs", bytes: false },
  events: { name: "Events kept", setting: "quotas.events", bytes: false },
  idempotency_keys: { name: "Idempotency keys kept", setting: "quotas.idempotency_keys", bytes: false },
};

const NEAR = 0.9;

export const isNear = ({ share }: Use): boolean => share >= NEAR;

/** The disk and every quota, the fullest first. A quota of 0 bounds nothing. */
export function usesOf(metrics: Metrics): Use[] {
  const limits = by(metrics, "dataos_quota_limit", "quota");
  const uses = [...by(metrics, "dataos_quota_used", "quota")].map(([quota, used]): Use => {
    const known = QUOTAS[quota] ?? { name: quota, setting: "", bytes: false };
    return { name: known.name, setting: known.setting, ...shareOf(used, limits.get(quota) ?? 0, known.bytes) };
  });
  const free = one(metrics, "dataos_disk_free_bytes");
  const whole = one(metrics, "dataos_disk_size_bytes");
  if (free !== null && whole !== null) {
    uses.push({ name: "Disk of the home", setting: "", ...shareOf(whole - free, whole, true) });
  }
  return uses.sort((a, b) => b.share - a.share);
}

function shareOf(used: number, limit: number, bytes: boolean): Pick<Use, "share" | "words"> {
  const shown = bytes ? size : count;
  if (limit <= 0) return { share: 0, words: `${shown(used)}, without a bound` };
  const share = Math.min(used / limit, 1);
  return { share, words: `${shown(used)} of ${shown(limit)} (${Math.round(100 * share)} %)` };
}
