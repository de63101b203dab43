"""The embedded engine as a real process: streaming, cancelling, limits, locks, crashes, mounts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataos.core.errors import DataOSError, Problem
from dataos.core.ids import RandomIds
from dataos.engines.duckdb import frames
from dataos.engines.duckdb.supervisor import DuckdbEngine
from dataos.engines.ports import Access, ArrowStream, EngineFailure, EngineOptions, FailureKind, Mount
from support import postgres as pg
from support.patience import deadline


@contextlib.asynccontextmanager
async def engine(folder: Path, access: Access | None = None, **options: Any) -> AsyncIterator[DuckdbEngine]:
    opened = DuckdbEngine(
        "miniature",
        run_folder=folder / "run",
        spill_folder=folder / "spill",
        ids=RandomIds(),
        options=EngineOptions(**{"memory_mib": 512, "threads": 2, **options}),
    )
    await opened.start(access)
    try:
        yield opened
    finally:
        await opened.close()


async def rows(opened: DuckdbEngine, sql: str, **limits: Any) -> list[tuple[Any, ...]]:
    session = await opened.session()
    try:
        stream = await session.execute(sql, **{"timeout_s": 20.0, **limits})
        content = b"".join([piece async for piece in stream])
        table = pa.ipc.open_stream(content).read_all()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    finally:
        await session.release()


def test_a_select_streams_arrow_with_its_columns_first(tmp_path: Path):
    async def run() -> None:
        async with engine(tmp_path) as opened:
            session = await opened.session()
            stream = await session.execute("SELECT 1::BIGINT AS a, 'x' AS b, 1.50::DECIMAL(4,2) AS c", timeout_s=10)
            assert [(c.name, c.type) for c in stream.columns] == [
                ("a", "BIGINT"),
                ("b", "VARCHAR"),
                ("c", "DECIMAL(4,2)"),
            ]
            content = b"".join([piece async for piece in stream])
            assert pa.ipc.open_stream(content).read_all().to_pylist()[0]["b"] == "x"
            assert stream.rows == 1
            await session.release()
            assert await rows(opened, "SELECT range AS i FROM range(100000)", max_rows=70_000) == [
                (i,) for i in range(70_000)
            ]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELEC 1", FailureKind.SYNTAX),
        ("SELECT nope", FailureKind.BINDING),
        ("SELECT CAST('secret-value' AS INT)", FailureKind.CONVERSION),
        ("SELECT error('x')", FailureKind.INPUT),
        ("ATTACH ':memory:' AS q", FailureKind.REFUSED),
        ("SELECT 1; SELECT 2", FailureKind.REFUSED),
        ("CREATE TABLE memory.main.t AS SELECT 1", FailureKind.REFUSED),
        ("SELECT * FROM read_csv('/etc/passwd')", FailureKind.REFUSED),
        ("COPY (SELECT 1) TO '/tmp/out.csv'", FailureKind.REFUSED),
        ("SET threads = 1", FailureKind.REFUSED),
        ("INSTALL httpfs", FailureKind.REFUSED),
        ("SELECT * FROM '/etc/passwd'", FailureKind.BINDING),
        ("SELECT getenv('HOME')", FailureKind.BINDING),
    ],
)
def test_failures_keep_the_engines_words_to_themselves(shared: DuckdbEngineThread, sql: str, kind: FailureKind):
    with pytest.raises(EngineFailure) as caught:
        shared.call(lambda opened: rows(opened, sql))
    assert caught.value.kind == kind
    assert "secret-value" not in str(caught.value)


class DuckdbEngineThread:
    """One engine for many small tests, on one event loop."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._manager = engine(folder)
        self.opened = self.loop.run_until_complete(self._manager.__aenter__())

    def call(self, work: Callable[[DuckdbEngine], Awaitable[Any]]) -> Any:
        return self.loop.run_until_complete(work(self.opened))  # type: ignore[arg-type]

    def close(self) -> None:
        self.loop.run_until_complete(self._manager.__aexit__(None, None, None))
        self.loop.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckdbEngineThread]:
    made = DuckdbEngineThread(tmp_path_factory.mktemp("engine"))
    yield made
    made.close()


def test_parse_gives_the_engines_tree(shared: DuckdbEngineThread):
    async def run(opened: DuckdbEngine) -> None:
        session = await opened.session()
        (tree,) = await session.parse(["SELECT a FROM c.s.t WHERE b = 'it''s'"])
        assert tree["statements"][0]["node"]["from_table"]["table_name"] == "t"
        with pytest.raises(EngineFailure):
            await session.parse(["SELECT 1 +"])
        await session.release()

    shared.call(run)


def test_a_failure_after_the_first_rows_reaches_the_reader(shared: DuckdbEngineThread):
    async def run(opened: DuckdbEngine) -> None:
        sql = "SELECT CASE WHEN range = 3000000 THEN error('late') ELSE range END AS x FROM range(4000000)"
        session = await opened.session()
        stream = await session.execute(sql, timeout_s=20)
        with pytest.raises(EngineFailure):
            async for _ in stream:
                pass
        await session.release()

    shared.call(run)


SLOW = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = -1"


async def cpu_settles(pid: int) -> bool:
    """True once the process stops using the processor."""

    def ticks() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    until = deadline(10)
    while time.monotonic() < until:
        before = ticks()
        await asyncio.sleep(0.3)
        if ticks() - before <= 2:
            return True
    return False


def test_time_limit_stops_the_engine_too(shared: DuckdbEngineThread):
    async def run(opened: DuckdbEngine) -> None:
        with pytest.raises(DataOSError) as caught:
            await rows(opened, SLOW, timeout_s=0.5)
        assert caught.value.problem.code == "query.timeout"
        assert await cpu_settles(opened.pid or 0)
        assert await rows(opened, "SELECT 1") == [(1,)]

    shared.call(run)


def test_cancelling_the_caller_cancels_the_statement(shared: DuckdbEngineThread):
    async def run(opened: DuckdbEngine) -> None:
        task = asyncio.create_task(rows(opened, SLOW, timeout_s=60))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await cpu_settles(opened.pid or 0)

    shared.call(run)


def test_closing_a_stream_early_frees_the_engine(shared: DuckdbEngineThread):
    async def run(opened: DuckdbEngine) -> None:
        session = await opened.session()
        stream = await session.execute("SELECT range, repeat('x', 500) FROM range(1000000000)", timeout_s=60)
        pieces = aiter(stream)
        await anext(pieces)
        await stream.aclose()
        await session.release()
        await pieces.aclose()  # type: ignore[attr-defined]
        assert await cpu_settles(opened.pid or 0)

    shared.call(run)


def test_a_slow_reader_slows_the_engine_down(shared: DuckdbEngineThread):
    async def run(opened: DuckdbEngine) -> None:
        def resident() -> int:
            line = next(x for x in Path(f"/proc/{opened.pid}/status").read_text().splitlines() if "VmRSS" in x)
            return int(line.split()[1]) // 1024

        before = resident()
        session = await opened.session()
        stream = await session.execute("SELECT range, repeat('x', 1000) AS s FROM range(10000000)", timeout_s=60)
        pieces = aiter(stream)
        await anext(pieces)
        await asyncio.sleep(1.5)
        assert resident() - before < 300, "10 GB of rows must not pile up in the engine"
        await stream.aclose()
        await session.release()
        await pieces.aclose()  # type: ignore[attr-defined]

    shared.call(run)


def test_statements_run_side_by_side(shared: DuckdbEngineThread):
    async def run(opened: DuckdbEngine) -> None:
        slow = asyncio.create_task(rows(opened, SLOW, timeout_s=30))
        await asyncio.sleep(0.3)
        assert await rows(opened, "SELECT 42") == [(42,)]
        assert not slow.done()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow

    shared.call(run)


def test_the_socket_wants_the_token_and_the_folder_is_private(shared: DuckdbEngineThread):
    async def run(opened: DuckdbEngine) -> None:
        folder = opened._generation.folder  # type: ignore[union-attr]
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "engine.sock").stat().st_mode & 0o777 == 0o600
        for token in ({}, {"token": "guess"}, {"token": None}):
            for request in (
                {"do": "execute", "sql": "SELECT 1"},
                {"do": "parse", "statements": ["SELECT 1"]},
                {"do": "refresh"},
                {},
            ):
                reader, writer = await asyncio.open_unix_connection(folder / "engine.sock")
                writer.write(frames.pack_json(frames.REQUEST, request | token))
                assert await reader.read() == b""  # closed without a word
                writer.close()
        reader, writer = await asyncio.open_unix_connection(folder / "engine.sock")
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 10)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        assert await rows(opened, "SELECT 1") == [(1,)]

    shared.call(run)


WIDE = """SELECT sum(length(x)) FROM (
  SELECT * FROM (SELECT random() AS r, repeat(md5(range::VARCHAR), 8) AS x FROM range(6000000)) ORDER BY r OFFSET 10)"""


def test_spilling_is_bounded_and_memory_too(tmp_path: Path):
    async def run() -> None:
        async with engine(tmp_path, memory_mib=256, spill_mib=16) as opened:
            with pytest.raises(EngineFailure) as caught:
                await rows(opened, WIDE)
            assert caught.value.kind == FailureKind.DISK
            assert await rows(opened, "SELECT 1") == [(1,)]

    asyncio.run(run())


def test_a_crash_fails_its_statements_cleanly_and_is_repaired(tmp_path: Path):
    async def run() -> None:
        async with engine(tmp_path) as opened:
            task = asyncio.create_task(rows(opened, SLOW, timeout_s=60))
            await asyncio.sleep(0.5)
            pid = opened.pid or 0
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(DataOSError) as caught:
                await task
            assert caught.value.problem.code == "engine.unavailable"
            assert caught.value.problem.retry
            assert await rows(opened, "SELECT 7") == [(7,)]
            assert opened.pid != pid

    asyncio.run(run())


def test_the_process_dies_with_its_supervisor(tmp_path: Path):
    program = (
        "import asyncio, sys, pathlib\n"
        "from dataos.core.ids import RandomIds\n"
        "from dataos.engines.duckdb.supervisor import DuckdbEngine\n"
        "async def main():\n"
        "    p = pathlib.Path(sys.argv[1])\n"
        "    e = DuckdbEngine('x', run_folder=p / 'run', spill_folder=p / 'spill', ids=RandomIds())\n"
        "    await e.start()\n"
        "    assert not {'duckdb', 'pyarrow', 'psycopg', 'pyiceberg'} & sys.modules.keys()\n"
        "    print(e.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )

    async def run() -> None:
        import sys

        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        pid = int(await child.stdout.readline())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"dataos.engines.duckdb.process" in command
        child.kill()
        await child.wait()
        until = deadline(10)
        while Path(f"/proc/{pid}").exists() and _alive(pid):
            assert time.monotonic() < until, "the engine outlived its supervisor"
            await asyncio.sleep(0.05)

    asyncio.run(run())


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_idle_memory_of_the_process(tmp_path: Path):
    async def run() -> None:
        async with engine(tmp_path) as opened:
            line = next(x for x in Path(f"/proc/{opened.pid}/status").read_text().splitlines() if "VmRSS" in x)
            mib = int(line.split()[1]) / 1024
            assert mib < 250

    asyncio.run(run())


# --- mounts ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[pg.Postgres]:
    with pg.running() as running:
        running.run("CREATE TABLE public.orders (id int, name text)", "INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
        yield running


def mount(server: pg.Postgres, **changes: Any) -> Mount:
    values: dict[str, Any] = {
        "depot": "shop",
        "kind": "postgresql",
        "host": server.host,
        "port": server.port,
        "database": server.database,
        "user": server.user,
        "password": server.password,
    }
    return Mount(**(values | changes))


async def from_shop(opened: DuckdbEngine, sql: str) -> list[tuple[Any, ...]]:
    session = await opened.session()
    catalog = session.catalogs["shop"]
    await session.release()
    return await rows(opened, sql.replace("SHOP", f'"{catalog}"'))


def test_a_mounted_database_answers_and_its_password_shows_nowhere(tmp_path: Path, server: pg.Postgres):
    async def run() -> None:
        async with engine(tmp_path, Access(mounts=(mount(server),))) as opened:
            assert await from_shop(opened, "SELECT name FROM SHOP.public.orders WHERE id = 2") == [("b",)]
            shown = str(await rows(opened, "SELECT * FROM duckdb_databases()"))
            shown += str(await rows(opened, "SELECT * FROM duckdb_secrets()"))
            shown += Path(f"/proc/{opened.pid}/cmdline").read_text() + Path(f"/proc/{opened.pid}/environ").read_text()
            assert server.password not in shown
            for file in tmp_path.rglob("*"):
                if file.is_file() and not file.is_symlink():
                    assert server.password.encode() not in file.read_bytes()
            # What changed in the source since is seen.
            server.run("CREATE SCHEMA IF NOT EXISTS later", "CREATE TABLE later.t AS SELECT 5 AS five")
            assert await from_shop(opened, "SELECT five FROM SHOP.later.t") == [(5,)]
            server.run("ALTER TABLE later.t ADD COLUMN six int DEFAULT 6", "ALTER TABLE later.t DROP COLUMN five")
            assert await from_shop(opened, "SELECT six FROM SHOP.later.t") == [(6,)]
            server.run("DROP SCHEMA later CASCADE")
            with pytest.raises(EngineFailure) as caught:
                await from_shop(opened, "INSERT INTO SHOP.public.orders VALUES (3, 'c')")
            assert caught.value.kind == FailureKind.REFUSED

    asyncio.run(run())


def test_an_unreachable_database_does_not_break_the_engine(tmp_path: Path, server: pg.Postgres):
    answers = {"ok": False}

    async def probe() -> None:
        if not answers["ok"]:
            raise DataOSError(Problem("depot.unreachable", "depot 'shop': it refused the connection", retry=5.0))

    async def run() -> None:
        wanted = Access(mounts=(mount(server, probe=probe), mount(server, depot="wrong", port=1)))
        async with engine(tmp_path, wanted) as opened:
            assert await rows(opened, "SELECT 1") == [(1,)]
            session = await opened.session()
            assert session.catalogs == {}
            assert session.unavailable["shop"].code == "depot.unreachable"
            assert session.unavailable["wrong"].code == "depot.unreachable"
            await session.release()
            answers["ok"] = True
            until = deadline(20)
            while "shop" in opened.unavailable:
                assert time.monotonic() < until, "the depot was not tried again"
                await asyncio.sleep(0.1)
            assert await from_shop(opened, "SELECT count(*) FROM SHOP.public.orders") == [(2,)]

    asyncio.run(run())


def test_new_mounts_start_a_new_process_and_drain_the_old(tmp_path: Path, server: pg.Postgres):
    async def run() -> None:
        async with engine(tmp_path) as opened:
            first = opened.pid
            session = await opened.session()
            stream: ArrowStream = await session.execute("SELECT range FROM range(3000000)", timeout_s=30)
            await opened.apply(Access(mounts=(mount(server),)))
            assert opened.pid != first
            assert await from_shop(opened, "SELECT count(*) FROM SHOP.public.orders") == [(2,)]
            content = b"".join([piece async for piece in stream])
            assert pa.ipc.open_stream(content).read_all().num_rows == 3_000_000
            await session.release()
            until = deadline(10)
            while _alive(first or 0):
                assert time.monotonic() < until, "the old process was not ended"
                await asyncio.sleep(0.05)
            same = opened.pid
            await opened.apply(Access(mounts=(mount(server),)))
            assert opened.pid == same

    asyncio.run(run())
