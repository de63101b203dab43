/** Hand a file over to the browser, which keeps it where its user keeps files. */
export function saveFile(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // once the browser has taken it over; right away some would find nothing
  window.setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
