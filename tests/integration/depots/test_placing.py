"""Files put into a folder in one step: readers, crashes between any two lines, other writers, odd files."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.depots import placing
from dataos.depots.ports import AdapterContext, Delivery, DepotEntry
from dataos.depots.types.file.adapter import FileAdapter


class Crash(BaseException):
    """The process ends here."""


async def free() -> None:
    """No fence."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "depot").mkdir()
    return tmp_path / "depot"


def deliver(
    root: Path, job: Path, mode: Any = "overwrite", mark: str = "m1", fence: Any = free, at: str = "a/b"
) -> None:
    adapter = FileAdapter(AdapterContext((root,), 5.0))
    entry = DepotEntry("out", "uid", "FILE", {"path": str(root)})
    collection, _, dataset = at.partition("/")
    delivery = Delivery(job, Udl("out", collection, dataset, "rw"), mode, mark)
    asyncio.run(adapter.deliver(entry, {}, delivery, fence))


def job(tmp_path: Path, mark: str, **files: str) -> Path:
    folder = tmp_path / f"job-{mark}-{len(list(tmp_path.iterdir()))}"
    for name, text in files.items():
        place = folder / name.replace("__", "/").replace("MARK", mark)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def content(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): p.read_text()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != placing.SUCCESS
    }


@pytest.fixture(params=["exchange", "renames", "copies"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the file system can do."""
    if request.param != "exchange":
        monkeypatch.setattr(placing, "_exchange", lambda one, other: False)
    if request.param == "copies":

        def link(*_: Any, **__: Any) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", link)
    return request.param


def test_overwrite_and_append(root: Path, tmp_path: Path, way: str) -> None:
    deliver(root, job(tmp_path, "m1", **{"part-0-MARK": "1", "k=x__part-1-MARK": "2"}))
    assert content(root / "a" / "b") == {"part-0-m1": "1", "k=x/part-1-m1": "2"}
    (root / "a" / "b" / "mine").write_text("m")
    (root / "a" / "b" / "link").symlink_to("mine")
    deliver(root, job(tmp_path, "m2", **{"part-0-MARK": "3"}), "append", "m2")
    assert content(root / "a" / "b") == {
        "part-0-m1": "1", "k=x/part-1-m1": "2", "mine": "m", "link": "m", "part-0-m2": "3",
    }  # fmt: skip
    assert (root / "a" / "b" / "link").is_symlink()
    deliver(root, job(tmp_path, "m2", **{"part-5-MARK": "4"}), "append", "m2")
    assert "part-0-m2" not in content(root / "a" / "b")
    deliver(root, job(tmp_path, "m3", **{"part-0-MARK": "5"}), mark="m3")
    assert content(root / "a" / "b") == {"part-0-m3": "5"}
    assert [p.name for p in (root / "a").iterdir()] == ["b"]


@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_a_crash_anywhere_leaves_all_or_nothing_and_the_next_try_ends_it(
    root: Path, tmp_path: Path, way: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = ("link", "rename", "fsync", "mkdir", "rmdir", "unlink")
    real = {name: getattr(os, name) for name in calls}
    at = 0
    while True:
        at += 1
        place = root / f"a{at}"
        old = {"part-0-m0": "old", "part-1-m0": "older"}
        new = {"part-0-m1": "new", "part-1-m1": "newer"} | (old if mode == "append" else {})
        deliver(root, job(tmp_path, "m0", **{"part-0-MARK": "old", "part-1-MARK": "older"}), mark="m0", at=f"a{at}/b")
        left = [at]

        def counted(name: str, left: list[int] = left) -> Any:
            def call(*args: Any, **more: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    raise Crash
                return real[name](*args, **more)

            return call

        folder = job(tmp_path, "m1", **{"part-0-MARK": "new", "part-1-MARK": "newer"})
        for name in calls:
            monkeypatch.setattr(os, name, counted(name))
        crashed = False
        try:
            deliver(root, folder, mode, at=f"a{at}/b")
        except Crash:
            crashed = True
        for name in calls:
            monkeypatch.setattr(os, name, real[name])
        if (place / "b").exists() or way == "exchange":  # between two renames there is a moment without
            assert content(place / "b") in (old, new), at
        deliver(root, folder, mode, at=f"a{at}/b")
        assert content(place / "b") == new, at
        assert [p.name for p in place.iterdir()] == ["b"], at
        if not crashed:
            break
    assert at > 10


def test_a_reader_sees_one_or_the_other(root: Path, tmp_path: Path) -> None:
    jobs = [job(tmp_path, m, **{f"part-{i}-MARK": m for i in range(5)}) for m in ("m1", "m2")]
    deliver(root, jobs[0], mark="m1")
    ended = threading.Event()
    wrong: list[list[str]] = []

    def read() -> None:
        while not ended.is_set():
            folder = os.open(root / "a" / "b", os.O_RDONLY)  # as any reader: the folder first, then what is in it
            seen = sorted(n for n in os.listdir(folder) if n.startswith("part"))
            os.close(folder)
            if len({n[-2:] for n in seen}) > 1:
                wrong.append(seen)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        deliver(root, jobs[number % 2], mark=("m1", "m2")[number % 2])
    ended.set()
    reader.join()
    assert not wrong


def test_competing_appends_all_land(root: Path, tmp_path: Path) -> None:
    marks = [f"m{i}x" for i in range(8)]
    jobs = [job(tmp_path, m, **{"part-0-MARK": m}) for m in marks]
    threads = [threading.Thread(target=deliver, args=(root, j, "append", m)) for j, m in zip(jobs, marks, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert content(root / "a" / "b") == {f"part-0-{m}": m for m in marks}


def test_what_others_put_there_meanwhile_stays(root: Path, tmp_path: Path) -> None:
    deliver(root, job(tmp_path, "m0", **{"part-0-MARK": "0"}), mark="m0")

    async def meanwhile() -> None:
        (root / "a" / "b" / "late").write_text("l")

    deliver(root, job(tmp_path, "m1", **{"part-0-MARK": "1"}), "append", "m1", fence=meanwhile)
    assert content(root / "a" / "b") == {"part-0-m0": "0", "part-0-m1": "1", "late": "l"}


def test_who_lost_the_right_brings_nothing(root: Path, tmp_path: Path) -> None:
    async def lost() -> None:
        raise PermissionError("the lease was taken over")

    with pytest.raises(PermissionError):
        deliver(root, job(tmp_path, "m1", **{"part-0-MARK": "1"}), fence=lost)
    assert not (root / "a" / "b").exists()


def test_a_job_cannot_smuggle_links_out(root: Path, tmp_path: Path) -> None:
    folder = job(tmp_path, "m1", **{"part-0-MARK": "1"})
    (folder / "part-1-m1").symlink_to("/etc/passwd")
    with pytest.raises(DataOSError, match="no plain file"):
        deliver(root, folder)
    assert not (root / "a" / "b").exists()


@pytest.mark.parametrize(
    ("at", "said"), [("none/", "Invalid dataset"), ("a/.b", "nothing can be written"), ("a/b*", "nothing can")]
)
def test_places_that_are_none(root: Path, tmp_path: Path, at: str, said: str) -> None:
    with pytest.raises(DataOSError, match=said):
        deliver(root, job(tmp_path, "m1", **{"part-0-MARK": "1"}), at=at)


def test_a_file_is_not_replaced_by_a_folder(root: Path, tmp_path: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / "b").write_text("file")
    with pytest.raises(DataOSError, match="is a file"):
        deliver(root, job(tmp_path, "m1", **{"part-0-MARK": "1"}))
    assert (root / "a" / "b").read_text() == "file"


def test_a_link_that_leads_out_is_refused(root: Path, tmp_path: Path) -> None:
    (root / "a").symlink_to(tmp_path)
    with pytest.raises(DataOSError, match="leads out"):
        deliver(root, job(tmp_path, "m1", **{"part-0-MARK": "1"}))
