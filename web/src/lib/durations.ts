const STEPS: readonly (readonly [string, number])[] = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];

/** Seconds as people say them, by their two largest units: "850 ms", "3.2 s", "1 min 5 s", "3 d 4 h". */
export function duration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  let left = Math.round(seconds);
  const parts: string[] = [];
  for (const [unit, length] of STEPS) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** From one moment to another, or to now where it still goes on; null if it has not begun. */
export function secondsFrom(start: string | null, end: string | null, now: Date): number | null {
  if (start === null) return null;
  const until = end === null ? now.getTime() : new Date(end).getTime();
  return Math.max(0, (until - new Date(start).getTime()) / 1000);
}
