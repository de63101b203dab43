"""Manifests of Workflows whose jobs are scripts."""

from __future__ import annotations


def job(name: str, script: str = "print('done')", *dependencies: str, extra: str = "", resources: str = "") -> str:
    body = "\n".join("            " + line for line in script.strip().splitlines())
    return f"""
    - name: {name}
      dependencies: [{", ".join(dependencies)}]
      spec:
        stack: script
        compute: runnable-default
        {resources}
        stackSpec:
          script: |
{body}
{extra}"""


def workflow(name: str, *jobs: str, schedule: str = "", meta: str = "") -> str:
    timing = f"  schedule: {{{schedule}}}\n" if schedule else ""
    return f"name: {name}\nversion: v1\ntype: workflow\n{meta}workflow:\n{timing}  dag:{''.join(jobs)}\n"
