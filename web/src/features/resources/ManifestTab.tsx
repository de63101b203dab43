import type { ReactElement } from "react";

import { CodeBlock } from "@/components/CodeBlock";
import { toYaml } from "./yaml";
import type { Resource } from "./queries";

/** The newest generation's manifest. Secret values are masked by the server. */
export function ManifestTab({ resource }: { resource: Resource }): ReactElement {
  return <CodeBlock label={`Manifest of ${resource.name}`} code={toYaml(resource.manifest)} />;
}
