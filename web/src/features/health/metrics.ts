/** Values of a metric, each with its labels. */
export interface Sample {
  labels: Readonly<Record<string, string>>;
  value: number;
}

export type Metrics = ReadonlyMap<string, readonly Sample[]>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Record<string, string> = { n: "\n" };

/** OpenMetrics text, read as far as it is a name, labels and a number. */
export function metricsOf(text: string): Metrics {
  const found = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (name === undefined || value === undefined || Number.isNaN(Number(value))) continue;
    found.set(name, [...(found.get(name) ?? []), { labels: labelsOf(labels), value: Number(value) }]);
  }
  return found;
}

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(LABEL)].map(([, name = "", value = ""]) => [
      name,
      value.replace(/\\(.)/g, (_, escaped: string) => ESCAPES[escaped] ?? escaped),
    ]),
  );
}

/** The value of a metric that has one; null if it is not told. */
export const one = (metrics: Metrics, name: string): number | null => metrics.get(name)?.[0]?.value ?? null;

/** Values of a metric by one of its labels, added up where others differ. */
export function by(metrics: Metrics, name: string, label: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const { labels, value } of metrics.get(name) ?? []) {
    const key = labels[label] ?? "";
    found.set(key, (found.get(key) ?? 0) + value);
  }
  return found;
}
