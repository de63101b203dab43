import type { components } from "@/api/schema";

type Raw = components["schemas"]["Artifact"];

export interface Namespace {
  id: string;
  name: string;
  glob: string;
  type: string;
  description: string;
  shipped: boolean;
}

export interface Atom {
  id: string;
  description: string;
  predicate: string;
  /** Groups of tags: all of one, or all of another. */
  tags: string[][];
  paths: string[];
}

export interface Provider {
  id: string;
  name: string;
  version: string;
  description: string;
  atoms: Atom[];
  shipped: boolean;
}

export interface UseCase {
  id: string;
  name: string;
  description: string;
  category: string;
  atoms: string[];
  /** Values that some variables have already, by atom. */
  values: { atom: string; sets: Record<string, string>[] }[];
  shipped: boolean;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const record = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};

export const namespaceFrom = (raw: Raw): Namespace => ({
  id: raw.id,
  name: raw.name,
  glob: text(raw.glob),
  type: text(raw.type),
  description: text(raw.description),
  shipped: raw.shipped,
});

export const providerFrom = (raw: Raw): Provider => ({
  id: raw.id,
  name: raw.name,
  version: text(raw.version),
  description: text(raw.description),
  atoms: list(raw.authorization_atoms).map(record).map(atomFrom),
  shipped: raw.shipped,
});

export const caseFrom = (raw: Raw): UseCase => ({
  id: raw.id,
  name: raw.name,
  description: text(raw.description),
  category: text(raw.category),
  atoms: list(raw.authorization_atoms).map(text),
  values: list(raw.values)
    .map(record)
    .map((entry) => ({
      atom: text(entry.authorization_atom_id),
      sets: list(entry.variable_values)
        .map(record)
        .map((set) => Object.fromEntries(Object.entries(set).map(([name, value]) => [name, text(value)]))),
    })),
  shipped: raw.shipped,
});

function atomFrom(raw: Record<string, unknown>): Atom {
  return {
    id: text(raw.id),
    description: text(raw.description),
    predicate: text(raw.predicate),
    tags: list(raw.tags).map((entry) => (Array.isArray(entry) ? entry.map(text) : [text(entry)])),
    paths: list(raw.paths).map(text),
  };
}
