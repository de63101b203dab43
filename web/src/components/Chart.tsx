import { useComputedColorScheme } from "@mantine/core";
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { init, use as register, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef, type ReactElement } from "react";

import type { Tone } from "@/lib/statuses";

register([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer]);

export interface Series {
  name: string;
  /** One for each category; null leaves a gap. */
  values: readonly (number | null)[];
  /** Its colour by what it means; else the next one. */
  tone?: Tone;
}

interface Props {
  kind: "bar" | "line";
  categories: readonly string[];
  series: readonly Series[];
  /** What it shows, in a sentence: those who do not see it hear this, and should find the numbers in a table nearby. */
  label: string;
  height?: number;
}

/** Bars or lines over categories. Loads ECharts: use it from a lazy page or with React.lazy. */
export default function Chart({ kind, categories, series, label, height = 280 }: Props): ReactElement {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);
  const scheme = useComputedColorScheme("light");

  useEffect(() => {
    if (place.current === null) return undefined;
    const made = init(place.current);
    chart.current = made;
    const watch = new ResizeObserver(() => made.resize());
    watch.observe(place.current);
    return () => {
      watch.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);

  useEffect(() => {
    chart.current?.setOption(optionOf(kind, categories, series), { notMerge: true });
  }, [kind, categories, series, scheme]);

  return <div ref={place} role="img" aria-label={label} style={{ height, width: "100%" }} />;
}

function optionOf(
  kind: Props["kind"],
  categories: readonly string[],
  series: readonly Series[],
): Record<string, unknown> {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const text = { color: colour("--muted") };
  const line = { lineStyle: { color: colour("--line") } };
  return {
    color: ["--accent", "--good", "--warn", "--bad", "--still"].map(colour),
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    grid: { left: 8, right: 16, top: series.length > 1 ? 36 : 16, bottom: 8, containLabel: true },
    legend: series.length > 1 ? { top: 0, textStyle: { color: colour("--text") } } : undefined,
    // drawn, not made of elements: the page's policy allows no style attributes in markup
    tooltip: { trigger: "axis", renderMode: "richText" },
    xAxis: { type: "category", data: categories, axisLabel: text, axisLine: line },
    yAxis: { type: "value", axisLabel: text, splitLine: line },
    series: series.map(({ name, values, tone }) => ({
      name,
      type: kind,
      data: values,
      ...(tone === undefined
        ? {}
        : { itemStyle: { color: colour(`--${tone}`) }, lineStyle: { color: colour(`--${tone}`) } }),
      showSymbol: categories.length <= 60,
      large: true,
      barMaxWidth: 48,
    })),
  };
}
