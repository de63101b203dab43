const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes as people say them: "512 B", "1.5 MiB". */
export function size(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** step;
  return `${step === 0 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[step] ?? ""}`;
}

const whole = new Intl.NumberFormat("en");

/** A number with its thousands apart: "12,345". */
export const count = (value: number): string => whole.format(value);
