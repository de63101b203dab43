import type { Card } from "./queries";

/** "all 12 checks pass", "2 of 12 checks fail"; empty without checks. */
export function qualityWords(quality: Card["quality"]): string {
  const badges = Object.values(quality);
  const applied = badges.reduce((sum, badge) => sum + badge.applied, 0);
  const failed = applied - badges.reduce((sum, badge) => sum + badge.passed, 0);
  if (applied === 0) return "";
  const checks = applied === 1 ? "check" : "checks";
  if (failed > 0) return `${failed} of ${applied} ${checks} fail`;
  return applied === 1 ? "its check passes" : `all ${applied} checks pass`;
}
