/** A path of this app to go to after signing in: anything else than that becomes the home page. */
export function safeNext(text: string | undefined): string {
  if (text === undefined || !text.startsWith("/") || text.startsWith("//") || text.startsWith("/\\")) return "/";
  const place = new URL(text, "http://here.invalid");
  if (place.host !== "here.invalid" || place.pathname.startsWith("/login")) return "/";
  return place.pathname + place.search + place.hash;
}
