"""Waiting for what was applied: active, and its run ended."""

from __future__ import annotations

import time
from typing import Any

from dataos.cli.output import Output
from dataos.client.api import Client
from dataos.core.errors import DataOSError, Problem
from dataos.manifest.loader import Document


def wait(
    out: Output, client: Client, applied: list[tuple[dict[str, Any], Document]], timeout: float, rerun: bool
) -> list[Problem]:
    """Wait for each applied Resource: active, and its run ended. Returns what went wrong."""
    deadline = time.monotonic() + timeout
    failures: list[Problem] = []
    for result, document in applied:
        resource = result["resource"]
        try:
            found = _wait_one(out, client, resource, document, deadline)
            failures += found
            if found and result["action"] == "unchanged" and not rerun:
                out.talk(f"{resource['name']} is unchanged and did not run anew: -r runs it once more", level="WARN")
            result["resource"] = client.resource(resource["type"], resource["name"], resource["workspace"])
        except DataOSError as error:
            if error.problem.code != "resource.not_found":
                raise
            failures.append(Problem("resource.not_found", f"{resource['name']} was deleted while this waited for it"))
            out.problem(failures[-1])
    return failures


def _wait_one(
    out: Output, client: Client, resource: dict[str, Any], document: Document, deadline: float
) -> list[Problem]:
    pause = 0.05
    shown = ""
    while True:
        body = client.resource(resource["type"], resource["name"], resource["workspace"])
        runs = resource["type"] == "workflow" and body["status"] == "active"
        waits = body["runtime"].startswith("next:") or body["runtime"] == "paused"  # a schedule: nothing runs now
        ended = not runs or waits or body["runtime"] in ("succeeded", "failed", "aborted")
        if body["status"] == "error" and body["settled"]:
            return [_wait_problem(out, resource, body["builder"]["info"])]
        if body["status"] == "active" and body["settled"] and ended:
            if body["runtime"] in ("failed", "aborted"):
                return _run_problems(out, client, resource, document, body)
            return []
        if runs:
            shown = _show_progress(out, client, resource, shown)
        if time.monotonic() > deadline:
            state = body["runtime"] or body["status"]
            where = f" -w {resource['workspace']}" if resource["workspace"] else ""
            command = f"dataos get{' runtime' if runs else ''} -t {resource['type']} -n {resource['name']}{where}"
            problem = Problem(
                "wait.timeout", f"{resource['name']} is still {state}", hint=f"it goes on: see `{command}`"
            )
            out.problem(problem)
            return [problem]
        time.sleep(pause)
        pause = min(0.5, pause * 1.5)


def _show_progress(out: Output, client: Client, resource: dict[str, Any], shown: str) -> str:
    runtime = client.runtime(resource["type"], resource["name"], resource["workspace"])
    run = runtime.get("run") or {}
    active = ", ".join(n["job"] for n in runtime["nodes"] if n["phase"] == "running")
    text = f"{resource['name']}: {run.get('progress', '')} {active}".rstrip()
    if text != shown:
        out.talk(text, "💨")
    return text


def _run_problems(
    out: Output, client: Client, resource: dict[str, Any], document: Document, body: dict[str, Any]
) -> list[Problem]:
    """What the failed jobs of the run said, with the place in the file where they say it of a part of the manifest."""
    runtime = client.runtime(resource["type"], resource["name"], resource["workspace"])
    problems = [
        Problem.from_json(p)
        for node in runtime["nodes"]
        if node["phase"] == "failed" and node["attempts"]
        for p in (node["attempts"][-1]["result"] or {}).get("problems", [])
    ]
    reason = (runtime.get("run") or {}).get("reason") or body["runtime"]
    found = [document.located(p) if p.path else p for p in problems] or [
        Problem("run.failed", f"{resource['name']}: {reason}", hint=f"dataos log -t workflow -n {resource['name']}")
    ]
    for problem in found:
        out.problem(problem)
    return found


def _wait_problem(out: Output, resource: dict[str, Any], info: str) -> Problem:
    problem = Problem("resource.error", f"{resource['name']}: {info}", type=resource["type"], name=resource["name"])
    out.problem(problem)
    return problem
