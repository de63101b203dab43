import { createTheme, type MantineColorsTuple } from "@mantine/core";

/** Deep blue: actions, links, what is chosen. */
const ink: MantineColorsTuple = [
  "#eef3fb",
  "#dbe5f5",
  "#b3c8ea",
  "#88a9df",
  "#648fd6",
  "#4d7ed1",
  "#3f75cf",
  "#2f62b8",
  "#2456a5",
  "#124a93",
];

/** Neutral greys with a little of the same blue. */
const slate: MantineColorsTuple = [
  "#f6f8fb",
  "#e9edf3",
  "#d3dae4",
  "#b3bdcc",
  "#8d99ab",
  "#66738a",
  "#4f5b70",
  "#3c475a",
  "#252e3f",
  "#151c2a",
];

/** Mantine reads its dark surfaces from here: 0 is text, 7 the page. */
const dark: MantineColorsTuple = [
  "#d7dfec",
  "#b9c4d6",
  "#9aa8bf",
  "#75839c",
  "#3d4a61",
  "#2c374b",
  "#1e2738",
  "#141b28",
  "#0f1520",
  "#0a0f18",
];

/** Fonts are the system's own: nothing is fetched from elsewhere. */
const TEXT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
const CODE = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace";

export const theme = createTheme({
  primaryColor: "ink",
  primaryShade: { light: 8, dark: 7 },
  colors: { ink, gray: slate, dark },
  fontFamily: TEXT,
  fontFamilyMonospace: CODE,
  defaultRadius: "md",
  cursorType: "pointer",
  autoContrast: true,
  headings: {
    fontWeight: "650",
    sizes: { h1: { fontSize: "1.5rem", lineHeight: "1.25" }, h2: { fontSize: "1.125rem", lineHeight: "1.35" } },
  },
  components: {
    Button: { defaultProps: { size: "sm" } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true } },
  },
});
