"""Any table written as CSV comes back as it was, whichever reader it takes. One engine inside this process."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataos.client.api import Client
from dataos.client.connections import Connection
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.core.secrecy import Secret
from dataos.stacks.flare.driver.catalog import Catalog
from dataos.stacks.flare.driver.duckfiles import Converter
from dataos.stacks.flare.driver.engine import Engine, Sail
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.output import Log
from dataos.stacks.flare.driver.readers import Readers
from dataos.stacks.flare.model import Input

_NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Readers, Path]]:
    folder = tmp_path_factory.mktemp("csv")
    token = Secret("none")
    engine = Sail(_NOWHERE, token, [], threads=2, memory_bytes=0, scratch=folder)
    client = Client(Connection(_NOWHERE, token, "test"))
    made = Readers(engine, Catalog(_NOWHERE, token), client, Converter(folder, 2, 1 << 30), folder, Log("ERROR"))
    yield engine, made, folder
    engine.close()


def load(readers: tuple[Engine, Readers, Path], contents: list[bytes], **options: str) -> list[tuple[Any, ...]]:
    engine, made, folder = readers
    files = []
    for number, content in enumerate(contents):
        files.append(folder / f"{number}.csv")
        files[-1].write_bytes(content)
    entry = Input("raw", Udl.parse("dataos://d:none/x"), None, None, "csv", options, None, None, (), ())
    made.load(entry, Source("files", format="csv", files=tuple(map(str, files))), False)
    return sorted((tuple(r) for r in engine.run("SELECT * FROM raw")), key=str)


# without bare carriage returns and zero bytes outside quotes, which no two CSV readers take alike
_TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r"), max_size=8)
_CELL = st.one_of(
    st.just(""), st.sampled_from(["a", 'x"y', "a,b", "l1\nl2", " ", "é€", "NA", "\\", '"', "'", "1.5"]), _TEXT
)
_TABLE = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(_CELL, min_size=n, max_size=n), min_size=0, max_size=6))
_QUOTING = st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_TABLE, _QUOTING, st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", ";", "\t"]))
def test_a_table_comes_back(
    readers: tuple[Engine, Readers, Path], cells: list[list[str]], quoting: Any, newline: str, delimiter: str
) -> None:
    width = len(cells[0]) if cells else 2
    out = io.StringIO()
    writer = csv.writer(out, quoting=quoting, lineterminator=newline, delimiter=delimiter)
    writer.writerow([f"c{i}" for i in range(width)])
    writer.writerows(cells)
    quoted_all = quoting != csv.QUOTE_MINIMAL
    expected = sorted((tuple(v if v or quoted_all else None for v in row) for row in cells), key=str)
    try:
        found = load(readers, [out.getvalue().encode()], delimiter=delimiter)
    except DataOSError as error:
        # a backslash before a quote can be read in two ways: refusing is right, guessing wrong is not
        assert "\\" in out.getvalue(), error
        return
    if "\\" + '"' in out.getvalue():
        return
    assert found == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(readers: tuple[Engine, Readers, Path], content: bytes) -> None:
    try:
        load(readers, [b"a,b\n" + content])
    except DataOSError as error:
        assert error.problem.code in ("flare.file", "flare.input")
    except Exception as error:  # noqa: BLE001 - the engine reads as it computes; its words are mapped by the run
        assert "Csv error" in str(error)
