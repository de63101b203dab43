"""`configs` and a sized `tempVolume` of a job, on a real server (ch03 1.1, 1.4)."""

from __future__ import annotations

import pytest

from support.server import Installation, installation

SCRIPT = """
          script: |
            import os, pathlib
            folder = pathlib.Path(os.environ["DATAOS_CONFIG_DIR"])
            print("read", (folder / "app.conf").read_text(), (folder / "deep/other.txt").read_text())
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("server")) as made:
        yield made


def workflow(name: str, more: str) -> str:
    return f"""name: {name}
version: v1
type: workflow
workflow:
  dag:
    - name: look
      spec:
        stack: script
        compute: runnable-default
        {more}
        stackSpec:{SCRIPT}"""


@pytest.mark.acceptance("ch03-AS07")
def test_config_files_are_read_below_the_config_folder(server: Installation):
    text = workflow("looks", "configs: {app.conf: 'level=3', deep/other.txt: more}")
    server.ok("apply", "-f", server.write("looks.yaml", text), "--wait")
    assert "read level=3 more" in server.ok("log", "-t", "workflow", "-n", "looks").out


def test_more_scratch_than_the_installation_allows_is_refused_at_apply(server: Installation):
    text = workflow("greedy", "tempVolume: 900Gi")
    done = server.cli("apply", "-f", server.write("greedy.yaml", text))
    assert done.code == 1
    assert "workloads.scratch_mib" in done.err


def test_what_cannot_be_mounted_yet_is_a_warning_for_validate_and_refused_at_apply(server: Installation):
    file = server.write("mounts.yaml", workflow("mounts", "persistentVolume: {name: wool, directory: a}"))
    assert "cannot be mounted yet" in server.ok("validate", "-f", file).err
    assert server.cli("apply", "-f", file).code == 1
