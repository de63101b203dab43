import type { Atom, UseCase } from "./artifacts";

/** One line of a request: a variable of an atom, and its value. */
export interface Line {
  atom: string;
  variable: string;
  value: string;
}

/** Names of the variables in an atom's patterns, in order. */
export function variablesOf(atom: Atom): string[] {
  const patterns = [...atom.paths, ...atom.tags.flat()];
  return [...new Set(patterns.flatMap((text) => [...text.matchAll(/\$\{([^}]*)\}/g)].map((found) => found[1] ?? "")))];
}

/** The lines that a request for a use case must fill: variables that it leaves open. */
export function openLines(useCase: UseCase, atoms: readonly Atom[]): Line[] {
  const known = new Map(atoms.map((atom) => [atom.id, atom]));
  return useCase.atoms.flatMap((id) => {
    const atom = known.get(id);
    const given = useCase.values.filter((entry) => entry.atom === id).flatMap((entry) => entry.sets);
    const filled = (name: string): boolean => given.length > 0 && given.every((set) => name in set);
    const open = atom === undefined ? [] : variablesOf(atom).filter((name) => !filled(name));
    return open.map((variable) => ({ atom: id, variable, value: "" }));
  });
}

/** Lines as the API takes them: of each atom sets of variables. The same variable again begins another set. */
export function valuesFrom(lines: readonly Line[]): Record<string, Record<string, string>[]> {
  const found: Record<string, Record<string, string>[]> = {};
  for (const line of lines) {
    const [atom, variable, value] = [line.atom.trim(), line.variable.trim(), line.value.trim()];
    if (atom === "" || variable === "" || value === "") continue;
    const sets = (found[atom] ??= []);
    const last = sets.at(-1);
    if (last === undefined || variable in last) sets.push({ [variable]: value });
    else last[variable] = value;
  }
  return found;
}
