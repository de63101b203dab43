const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

/** "99.5 %"; a dash where nothing was measured. Never rounded up to all of it. */
export function percent(value: number | null): string {
  if (value === null) return "–";
  const text = short.format(value);
  return `${text === "100" && value < 100 ? "99.9" : text} %`;
}

/** "120 ms", "1.5 s", "3 min", "2 h", "4 days"; a dash where nothing was measured. */
export function seconds(value: number | null): string {
  if (value === null) return "–";
  if (value < 1) return `${fine.format(value * 1000)} ms`;
  if (value < 120) return `${short.format(value)} s`;
  if (value < 7_200) return `${whole.format(value / 60)} min`;
  if (value < 172_800) return `${whole.format(value / 3_600)} h`;
  return `${whole.format(value / 86_400)} days`;
}
