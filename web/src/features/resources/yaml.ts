import { stringify } from "yaml";

/** A manifest as people write it. Texts that YAML 1.1 would take for something else are quoted. */
export function toYaml(manifest: unknown): string {
  return stringify(manifest, { version: "1.1", lineWidth: 110, blockQuote: "literal" });
}
