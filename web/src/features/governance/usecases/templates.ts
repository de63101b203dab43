/** What one begins with, by what is made. */
export const TEMPLATES = {
  "use-cases": {
    title: "Add use case",
    text: `id: stores-app-access
name: Stores App Access
description: open the store locator and edit stores
category: stores-app
authorization_atoms: [stores-ui]
values:
  - authorization_atom_id: stores-ui
    variable_values:
      - path: /stores/**
`,
  },
  providers: {
    title: "Add provider",
    text: `version: 0.1.0
id: stores-app
name: Stores App
description: store locator app
authorization_atoms:
  - id: stores-ui
    description: open the app
    predicate: get
    paths: ["\${path}"]
`,
  },
  "tag-namespaces": {
    title: "Add namespace",
    text: `name: testers
glob: testers:**
type: subject # subject, object or inform
description: who tries new things
`,
  },
} as const;

export type Made = keyof typeof TEMPLATES;
