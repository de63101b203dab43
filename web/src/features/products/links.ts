/** An address that a manifest names, if a browser may go there: its author could write `javascript:` otherwise. */
export function safeLink(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  try {
    const { protocol, href } = new URL(text);
    return ["http:", "https:", "mailto:"].includes(protocol) ? href : null;
  } catch {
    return null;
  }
}
