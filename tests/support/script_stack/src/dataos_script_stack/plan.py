"""stackSpec -> Plan of the stack `script`."""

from __future__ import annotations

import sys

from dataos.core.errors import Problem
from dataos.manifest.specs import Reading
from dataos.processes.ports import Isolation, Launch
from dataos.workloads.ports import AttemptRequest, JobRequest, Plan, Rooms
from dataos_script_stack.spec import ScriptSpec, read


class ScriptPlanner:
    """One Python process in the sandbox."""

    async def check(self, job: JobRequest, rooms: Rooms) -> list[Problem]:
        """Nothing that only the server knows."""
        return []

    async def plan(self, attempt: AttemptRequest, rooms: Rooms) -> Plan:
        """The source goes in as a file; the path is where the runner shows RUNNABLE_ARTIFACT_DIR."""
        spec = read(attempt.job.stack_spec, Reading(), ())
        assert isinstance(spec, ScriptSpec)
        starter = (
            "import os, runpy, sys; file = os.environ['RUNNABLE_ARTIFACT_DIR'] + '/script.py'; "
            "sys.argv[:2] = [file]; runpy.run_path(file, run_name='__main__')"
        )
        launch = Launch(
            argv=(sys.executable, "-u", "-c", starter, "script", *spec.arguments),
            isolation=Isolation.USER,
            files={"work/script.py": spec.script.encode()},
            cpu=attempt.job.cpu or 0.1,
            memory_bytes=attempt.job.memory_bytes or 64 << 20,
            timeout_s=attempt.job.timeout_s,
        )
        return Plan(launch, rerunnable=spec.rerunnable)
