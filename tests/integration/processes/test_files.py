"""The log on disk, the size of folders, and the claim's lock, each on its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataos.processes import limits, logfiles, records, trees


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=90), max_size=40),
    st.integers(1, 400),
    st.integers(1, 60),
    st.integers(0, 5),
)
def test_a_reader_gets_every_byte_that_is_kept_in_order_and_hears_of_every_cut(chunks, limit, step, lag):
    with tempfile.TemporaryDirectory() as folder:
        writer = logfiles.LogWriter(folder, limit)
        stream = b"".join(chunks)
        offset = 0

        def read() -> None:
            nonlocal offset
            data, after = logfiles.read_from(folder, offset, step)
            assert after >= offset
            begin = after
            if b" bytes of log were cut out here ...]\n" in data:
                data = data.rpartition(b" bytes of log were cut out here ...]\n")[2]
                begin = after - len(data)
            elif data:
                assert after - offset == len(data) <= step
                begin = offset
            assert stream[begin:after] == data
            offset = after

        for number, chunk in enumerate(chunks):
            writer.write(chunk)
            if number % (lag + 1) == 0:
                read()
        writer.close()
        assert sum(path.stat().st_size for path in Path(folder).iterdir()) <= max(limit, 2)
        whole, end = logfiles.read_from(folder, 0, 1 << 20)
        assert end == len(stream)
        if len(stream) <= limit // 2:
            assert whole == stream
        assert whole.startswith(stream[: max(limit // 2, 1)])
        for _ in range(len(stream) + 2):
            read()
        assert offset == len(stream)


def test_a_full_disk_costs_log_but_not_the_job(tmp_path: Path):
    # A limit on file size stands in for the disk: both fail the write.
    code = f"""
import resource, signal
from dataos.processes import logfiles
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = logfiles.LogWriter({str(tmp_path / "log")!r}, 10_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for n in range(1000):
    writer.write(b"%09d\\n" % n)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    log, end = logfiles.read_from(str(tmp_path / "log"), 0, 1 << 20)
    assert log.startswith(b"000000000\n")
    assert b"bytes of log were cut out" in log
    assert end > 5000


def test_the_size_of_a_folder_counts_no_links_and_ends_early(tmp_path: Path):
    (tmp_path / "big").write_bytes(b"x" * (1 << 20))
    folder = tmp_path / "folder"
    folder.mkdir()
    os.symlink(tmp_path, folder / "up")
    os.symlink(tmp_path / "big", folder / "link")
    assert limits.folder_bytes(str(folder), 1 << 30) < 1 << 16
    (folder / "sparse").touch()
    os.truncate(folder / "sparse", 1 << 30)
    assert limits.folder_bytes(str(folder), 1 << 30) < 1 << 16
    (folder / "real").write_bytes(b"x" * (1 << 20))
    assert limits.folder_bytes(str(folder), 1 << 30) >= 1 << 20
    assert limits.folder_bytes(str(tmp_path / "none"), 1 << 30) == 0
    os.symlink(folder, tmp_path / "alias")
    assert limits.folder_bytes(str(tmp_path / "alias"), 1 << 30) == 0


def test_without_proc_a_claim_is_alive_while_its_lock_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trees, "HAS_PROC", False)
    code = f"""
import sys
from dataos.processes import records
print(records.claim({str(tmp_path)!r}) is not None, flush=True)
sys.stdin.readline()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    record = records.read(str(tmp_path), "claimed.1")
    assert record is not None
    assert records.is_alive(str(tmp_path), record, 1)
    assert records.claim(str(tmp_path)) is None
    holder.communicate("end\n")
    assert not records.is_alive(str(tmp_path), record, 1)
    fd = records.claim(str(tmp_path))  # it died before it ran anything
    assert fd is not None
    os.close(fd)
    assert records.last_claim(str(tmp_path)) == 2


def test_records_are_whole_or_absent(tmp_path: Path):
    assert records.read(str(tmp_path), "none.json") is None
    (tmp_path / "half.json").write_text('{"a": ')
    assert records.read(str(tmp_path), "half.json") is None
    (tmp_path / "list.json").write_text("[]")
    assert records.read(str(tmp_path), "list.json") is None
    records.write(str(tmp_path), "a.json", {"n": 1}, sync=True)
    os.symlink(tmp_path / "a.json", tmp_path / "link.json")
    assert records.read(str(tmp_path), "link.json") is None
    assert records.read(str(tmp_path), "a.json") == {"n": 1}
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "half.json", "link.json", "list.json"]
