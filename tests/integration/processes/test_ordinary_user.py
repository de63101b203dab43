"""What the machine's rights decide, once more, as a user without any privilege."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]


def _can_be_nobody() -> bool:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    # By way of a shell: setpriv still holds root's rights when it starts a program, that program's children don't.
    script = f"import pytest, dataos; open({__file__!r}).close()"
    probe = [*_NOBODY, "/bin/sh", "-c", '"$0" -c "$1" && exit 0 || exit 1', sys.executable, script]
    return subprocess.run(probe, check=False, capture_output=True, cwd="/").returncode == 0


@pytest.mark.skipif(not _can_be_nobody(), reason="not root, or this checkout or its Python is closed to others")
def test_everything_holds_for_an_ordinary_user():
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
        environment["HYPOTHESIS_STORAGE_DIRECTORY"] = f"{folder}/hypothesis"
        others = [str(_HERE / f"test_{name}.py") for name in ("running", "sandbox", "spawner")]
        # `--basetemp` is emptied by pytest: a folder below ours, in which nobody else has anything.
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--basetemp={folder}/t"]
        done = subprocess.run(
            [*_NOBODY, *command, *others],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            cwd=_HERE.parents[2],
        )
        print(done.stdout[-600:])
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
