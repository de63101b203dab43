import type { components } from "@/api/schema";

type Lineage = components["schemas"]["Lineage"];

export interface Way {
  from: string;
  to: string;
  /** The jobs that go this way. */
  jobs: string[];
}

export interface Picture {
  nodes: { address: string; title: string; writtenAt: string | null; restricted: boolean }[];
  ways: Way[];
}

/** Several steps of lineage, each asked around one dataset, as one picture: nothing twice. */
export function merged(steps: readonly Lineage[]): Picture {
  const nodes = new Map<string, Picture["nodes"][number]>();
  const ways = new Map<string, Way>();
  for (const step of steps) {
    // what policies hide is numbered in each step: the same number elsewhere may be another dataset
    const restricted = new Set(step.nodes.filter((node) => node.restricted).map(({ address }) => address));
    const named = (address: string): string => (restricted.has(address) ? `${address} near ${step.address}` : address);
    for (const { address, title, writtenAt } of step.nodes) {
      const hidden = restricted.has(address);
      const shown = title === "" ? address : title;
      nodes.set(named(address), { address: named(address), title: shown, writtenAt, restricted: hidden });
    }
    for (const edge of step.edges) {
      if (edge.to === null) continue; // a job that only reads leads nowhere
      const [from, to, job] = [named(edge.from), named(edge.to), edge.job];
      const key = JSON.stringify([from, to]);
      const known = ways.get(key);
      if (known === undefined) ways.set(key, { from, to, jobs: [nameOf(job)] });
      else if (!known.jobs.includes(nameOf(job))) known.jobs.push(nameOf(job));
    }
  }
  const drawn = [...ways.values()].filter(({ from, to }) => nodes.has(from) && nodes.has(to));
  return { nodes: [...nodes.values()], ways: drawn };
}

/** A job by what people call it: its Workflow's job, else its own name. */
function nameOf(job: Lineage["edges"][number]["job"]): string {
  const own = [job.workspace, job.workflow, job.job].filter((part) => part !== null && part !== "");
  return job.workflow === null ? job.name : own.join("/");
}

/** The end of an address, which tells datasets apart. */
export const endOf = (address: string): string => /^dataos:\/\/[^:/]+:(.+)$/.exec(address)?.[1] ?? address;
