"""A backup's file: whole or refused, keys only by passphrase, nothing written outside its folder."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataos.core.errors import DataOSError
from dataos.server import archives
from dataos.server.archives import Header

PASSPHRASE = "correct horse battery"
HEADER = Header(
    id="b1", created="2024-01-01T00:00:00Z", version="0.1.0", revision="0001", home="/h", home_real="/h",
    store="store.db.gz", keys="sealed", data=True, logs=False, key_mark="m",
)  # fmt: skip


def code(caught: pytest.ExceptionInfo[DataOSError]) -> str:
    return caught.value.problem.code


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "data").write_bytes(os.urandom(200_000))
    target = tmp_path / "b.dataos"
    with archives.writing(target) as out:
        out.add_bytes(archives.HEADER, archives.header_bytes(HEADER))
        out.add_bytes("store.db.gz", b"store")
        out.add_bytes(archives.KEYS, archives.seal_keys({"master.key": bytes(32)}, PASSPHRASE, HEADER))
        out.add_folder("warehouse")
        out.add_file("warehouse/data", tmp_path / "data")
    return target


def test_what_goes_in_comes_out(made, tmp_path):
    header, sealed = archives.verify(made)
    assert header == HEADER == archives.peek(made)
    assert archives.open_keys(sealed, PASSPHRASE, header) == {"master.key": bytes(32)}
    archives.extract(made, tmp_path / "out")
    assert (tmp_path / "out/warehouse/data").read_bytes() == (tmp_path / "data").read_bytes()
    assert made.stat().st_mode & 0o777 == 0o600


def test_no_file_is_overwritten_and_a_failure_leaves_none(made, tmp_path):
    before = made.read_bytes()
    with pytest.raises(DataOSError) as caught, archives.writing(made):
        raise AssertionError("not reached")
    assert code(caught) == "backup.exists"
    assert made.read_bytes() == before
    with pytest.raises(ValueError), archives.writing(tmp_path / "c.dataos") as out:
        out.add_bytes("x", b"x")
        raise ValueError
    assert sorted(f.name for f in tmp_path.iterdir()) == ["b.dataos", "data"]


def test_a_taken_name_is_found_at_the_end_too(tmp_path):
    target = tmp_path / "c.dataos"
    with pytest.raises(DataOSError) as caught, archives.writing(target) as out:
        out.add_bytes("x", b"x")
        target.write_text("somebody else's")
    assert code(caught) == "backup.exists"
    assert target.read_text() == "somebody else's"


def test_two_backups_to_one_file(tmp_path):
    target = tmp_path / "c.dataos"
    with archives.writing(target) as out:
        out.add_bytes("x", b"x")
        with pytest.raises(DataOSError, match="under way"), archives.writing(target):
            pass


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 0.999), flip=st.integers(1, 255))
def test_a_changed_byte_is_found_or_harmless(made, tmp_path, at, flip):
    """Bytes of the tar's own padding may change; no content may."""
    content = bytearray(made.read_bytes())
    content[int(at * len(content))] ^= flip
    other = tmp_path / "changed"
    other.write_bytes(content)
    try:
        header, _ = archives.verify(other)
    except DataOSError as error:
        assert error.problem.code == "backup.damaged"
        return
    assert header == HEADER
    out = tmp_path / f"out{at}{flip}"
    archives.extract(other, out)
    assert (out / "warehouse/data").read_bytes() == (tmp_path / "data").read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_cut_off_file_is_refused(made, tmp_path, share):
    other = tmp_path / "cut"
    content = made.read_bytes()
    other.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataOSError) as caught:
        archives.verify(other)
    assert code(caught) == "backup.damaged"


def hostile(file: Path, name: str, **fields) -> None:
    with tarfile.open(file, "w") as tar:
        info = tarfile.TarInfo(name)
        for key, value in fields.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(b"\0" * info.size))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("../evil", {}),
        ("/etc/evil", {}),
        ("a/../../evil", {}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}),
        ("dev", {"type": tarfile.CHRTYPE}),
        ("fifo", {"type": tarfile.FIFOTYPE}),
    ],
)
def test_hostile_members_are_refused(tmp_path, name, fields):
    hostile(tmp_path / "x", name, **fields)
    for read in (archives.verify, archives.peek, lambda f: archives.extract(f, tmp_path / "out")):
        with pytest.raises(DataOSError) as caught:
            read(tmp_path / "x")
        assert code(caught) == "backup.damaged"
    assert not (tmp_path / "evil").exists()


def test_a_newer_format_is_named(tmp_path):
    with archives.writing(tmp_path / "x") as out:
        out.add_bytes(archives.HEADER, archives.header_bytes(replace(HEADER, format=2)))
    with pytest.raises(DataOSError, match="format 2, this version reads 1"):
        archives.verify(tmp_path / "x")


def test_a_missing_file(tmp_path):
    with pytest.raises(DataOSError) as caught:
        archives.verify(tmp_path / "nothing")
    assert code(caught) == "backup.not_found"


def test_keys_open_with_their_passphrase_in_their_archive_only():
    sealed = archives.seal_keys({"master.key": b"secret"}, PASSPHRASE, HEADER)
    assert b"secret" not in sealed
    for passphrase, header in (("wrong horse battery", HEADER), (PASSPHRASE, replace(HEADER, id="b2"))):
        with pytest.raises(DataOSError) as caught:
            archives.open_keys(sealed, passphrase, header)
        assert code(caught) == "backup.passphrase"


def test_a_short_passphrase_and_a_costly_key_are_refused():
    with pytest.raises(DataOSError, match="at least 8"):
        archives.seal_keys({}, "short", HEADER)
    sealed = archives.seal_keys({}, PASSPHRASE, HEADER).replace(b'"n": 131072', b'"n": 99999999')
    with pytest.raises(DataOSError, match="cannot be opened"):
        archives.open_keys(sealed, PASSPHRASE, HEADER)


def test_a_file_that_shrinks_is_noted(tmp_path):
    with archives.writing(tmp_path / "x") as out:
        out._add("a", io.BytesIO(b"abc"), 10, 0o600, 0, "/some/file")
        out.add_bytes(archives.HEADER, archives.header_bytes(replace(HEADER, store="a")))
    assert out.problems == ["/some/file changed while it was copied"]
    archives.verify(tmp_path / "x")
