"""What `load` and `save` use: a session outside of the server, or that of a job."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataos.client.connections import Connection
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.manifest.specs import Reading
from dataos.stacks.flare import outputs
from dataos.stacks.flare.blocks import OutputEntry
from dataos.stacks.flare.driver import problems
from dataos.stacks.flare.driver.catalog import Catalog
from dataos.stacks.flare.driver.destinations import Destinations
from dataos.stacks.flare.driver.duckfiles import Converter
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.driver.filewriters import FileWriters
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.output import Log, Result
from dataos.stacks.flare.driver.programs import Program
from dataos.stacks.flare.driver.reaching import Reach
from dataos.stacks.flare.driver.readers import Readers
from dataos.stacks.flare.driver.writers import Stamp, Writers
from dataos.stacks.flare.model import Input, Output
from pyflare.sdk.exceptions import (
    InvalidInputException,
    PyflareException,
    PyflareReadException,
    PyflareWriteException,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_DATABASES = (
    "jdbc",
    "postgresql",
    "postgres",
    "mysql",
    "mssql",
    "oracle",
    "sqlite",
    "snowflake",
    "bigquery",
    "redshift",
)
_WRITERS_OWN = ("fanout-enabled", "compression")


class Backend(ABC):
    """What `load` and `save` use: a session outside of the server, or that of a job."""

    spark: SparkSession

    def __init__(self, depots: dict[str, str]) -> None:
        self.depots = depots
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, str] = {}

    @abstractmethod
    def load(self, name: str, form: str | None, query: str | None, options: dict[str, str]) -> DataFrame:
        """A dataset, or the answer of a query in its place. Raises as `load` of this module."""

    @abstractmethod
    def query(self, text: str, cluster: str | None) -> DataFrame:
        """The answer of a query. Raises PyflareReadException."""

    @abstractmethod
    def save(self, name: str, frame: DataFrame, form: str | None, mode: str | None, options: Mapping[str, Any]) -> None:
        """Write a frame. Raises as `save` of this module."""

    def close(self) -> None:  # noqa: B027 - the session of a job has nothing of its own
        """End what belongs to the session."""

    def address(self, text: str, writes: bool = False) -> Udl:
        """An address in a depot of the session. Raises InvalidInputException."""
        try:
            address = Udl.parse(text)
        except DataOSError as error:
            raise InvalidInputException(told(error)) from None
        acl = self.depots.get(address.depot)
        if acl is None:
            known = ", ".join(self.depots) or "none"
            raise InvalidInputException(
                f"Depot not loaded in current session: {address.depot} (loaded: {known}); "
                f'call with_depot("{address.depot}")'
            )
        if writes and acl != "rw":
            raise InvalidInputException(
                f'depot {address.depot} is loaded for reading; call with_depot("{address.depot}", acl="rw")'
            )
        return address


class Outside(Backend):
    """A program with an API key, on any machine."""

    def __init__(
        self, connection: Connection, engine: Engine, reach: Reach, progress: Log, depots: dict[str, str], scratch: Path
    ) -> None:
        super().__init__(depots)
        self._engine = engine
        self._reach = reach
        self._catalog = Catalog(connection.url, connection.token)
        self._readers = Readers(engine, self._catalog, reach.client, Converter(scratch, 0, 0), scratch, progress)
        self._progress = progress
        self._scratch = scratch
        self._out = scratch / "out"
        self._count = itertools.count(1)
        self.spark = engine.session

    def close(self) -> None:
        """End the engine, and take the scratch folder away."""
        with contextlib.suppress(Exception):
            self._engine.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def load(self, name: str, form: str | None, query: str | None, options: dict[str, str]) -> DataFrame:
        """As the port says."""
        address = self.address(name)
        try:
            source = Source("query") if query is not None else self._reach.source(address, form)
            return self._read(f"dataset_{next(self._count)}", address, query, None, options, source)
        except DataOSError as error:
            raise _read_error(address.depot, error) from None

    def query(self, text: str, cluster: str | None) -> DataFrame:
        """As the port says."""
        try:
            return self._read(f"query_{next(self._count)}", None, text, cluster, {}, Source("query"))
        except DataOSError as error:
            raise PyflareReadException(told(error), error.problems) from None

    def _read(
        self,
        label: str,
        address: Udl | None,
        query: str | None,
        cluster: str | None,
        options: Mapping[str, str],
        source: Source,
    ) -> DataFrame:
        entry = Input(
            label, address if query is None else None, None if query is None else query.strip().rstrip(";"), cluster,
            source.format or None, options, None, None, (), (),
        )  # fmt: skip
        self._readers.load(entry, source, keep_system_columns=False)
        return self.spark.table(label)

    def save(self, name: str, frame: DataFrame, form: str | None, mode: str | None, options: Mapping[str, Any]) -> None:
        """As the port says."""
        address = self.address(name, writes=True)
        view = f"__save_{next(self._count)}"
        try:
            entry = _entry(view, address, form, mode or "append", options)
            output = _output(entry)
            writing = str(uuid.uuid4())
            target = self._reach.target(address, output.format, output.branch) or self._reach.place(entry, writing)
            if target.kind == "files" and not self._engine.reads_scratch:
                raise fail(
                    "stack.unsupported",
                    f"{address}: Apache Spark writes tables of Lakehouses only",
                    hint="leave `spark.remote` out of this session, or save it to a Lakehouse",
                )
            frame.createOrReplaceTempView(view)
            stamp = Stamp(f"pyflare-{writing}")
            result = Result()
            places = self._destinations(stamp)
            places.write(output, target, places.prepare(output, target), (), result)
            if target.kind == "files":
                self._reach.hand_over(entry, writing, self._out)
                shutil.rmtree(self._out)
        except DataOSError as error:
            raise _write_error(address.depot, error) from None
        except PyflareException:
            raise
        except Exception as error:  # noqa: BLE001 - what the engine says, in the words of this interface
            code, message, _, hint = problems.explain(error, "save", ())
            text = f"{name}: {message} ({hint})" if hint else f"{name}: {message} [{code}]"
            raise PyflareWriteException(text) from None
        rows = result.outputs[0]["rows"]
        self._progress.info(f"saved {address}" + ("" if rows is None else f": {rows} rows"))

    def _destinations(self, stamp: Stamp) -> Destinations:
        tables = Writers(self._engine, self._catalog, self._progress, (), datetime.now(UTC), stamp)
        files = FileWriters(self._engine, Converter(self._scratch, 0, 0), (), self._out, self._scratch)
        return Destinations(tables, files, self._out, self._reach.client, Log("WARN", sys.stderr))


class Inside(Backend):
    """The program of a job: it reads and writes what its manifest declares, with the run's token."""

    def __init__(self, program: Program) -> None:
        super().__init__(program.depots)
        self._program = program
        self.spark = program.session

    def load(self, name: str, form: str | None, query: str | None, options: dict[str, str]) -> DataFrame:
        """As the port says. Names of the job's inputs will do in place of addresses."""
        if "://" in name:
            self.address(name)
        try:
            return self._program.load(name, form, options) if query is None else self._program.query(query, None)
        except DataOSError as error:
            raise _inside(error, PyflareReadException) from None

    def query(self, text: str, cluster: str | None) -> DataFrame:
        """As the port says."""
        try:
            return self._program.query(text, cluster)
        except DataOSError as error:
            raise _inside(error, PyflareReadException) from None

    def save(self, name: str, frame: DataFrame, form: str | None, mode: str | None, options: Mapping[str, Any]) -> None:
        """As the port says. Names of the job's outputs will do in place of addresses."""
        if "://" in name:
            self.address(name, writes=True)

        def said(address: Udl, word: str) -> Output:
            return _output(_entry("saved", address, form, word, options))

        try:
            self._program.save(name, frame, form, mode, said if options else None)
        except DataOSError as error:
            raise _inside(error, PyflareWriteException) from None


def _entry(view: str, address: Udl, format_: str | None, mode: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The call as an output of a Flare job is written."""
    given = {k: v for k, v in options.items() if k.lower() not in _WRITERS_OWN}
    for key in [k for k in given if k.lower() == "iceberg" and isinstance(given[k], dict)]:
        block = dict(given[key])
        for name in [k for k in block if k.lower() in ("table_properties", "tableproperties")]:
            block["properties"] = {**(block.get("properties") or {}), **(block.pop(name) or {})}
        given[key] = block
    for key in [k for k in given if k.lower().startswith("iceberg.")]:  # dotted, as options of Spark are
        name = {"table_properties": "properties"}.get(key[8:].lower(), key[8:])
        given["iceberg"] = {**(given.get("iceberg") or {}), name: given.pop(key)}
    word = next((v for k, v in options.items() if k.lower() == "compression"), None)
    body = {**given, "saveMode": mode, **({"compressionType": str(word)} if word else {})}
    place = Udl(address.depot, address.collection, address.dataset, "rw", address.options)
    made = {"name": view, "dataset": str(place), "format": format_of(format_), "options": body}
    return {key: value for key, value in made.items() if value is not None}


def _output(entry: Mapping[str, Any]) -> Output:
    """It as it is meant. Raises DataOSError with what is wrong."""
    reading = Reading()
    made = outputs.read(OutputEntry(**entry), reading, ())
    if made is None:
        raise DataOSError(reading.problems)
    return made


def format_of(word: str | None) -> str | None:
    folded = (word or "").strip().lower()
    if folded in _DATABASES:
        return "jdbc"
    return folded or None


def told(error: DataOSError) -> str:
    """All that is wrong, and what to do about it."""
    return "; ".join(f"{p.message} ({p.hint})" if p.hint else p.message for p in error.problems)


def refused(depot: str, error: DataOSError) -> InvalidInputException:
    status = {"auth": 401, "forbidden": 403}.get(error.problem.code.split(".")[0])
    if error.problem.code.endswith("not_found"):
        status = 404
    if status is None:
        return InvalidInputException(told(error))
    text = f"Something went wrong in depot metadata API for depot: {depot} with status code: {status}"
    return InvalidInputException(f"{text} ({error.problem.message})")


def _read_error(depot: str, error: DataOSError) -> PyflareException:
    if error.problem.code.startswith("auth."):
        return refused(depot, error)
    return PyflareReadException(told(error), error.problems)


def _write_error(depot: str, error: DataOSError) -> PyflareException:
    if error.problem.code.startswith("auth."):
        return refused(depot, error)
    return PyflareWriteException(told(error), error.problems)


def _inside(error: DataOSError, kind: type[PyflareException]) -> PyflareException:
    made = InvalidInputException if error.problem.code == "flare.undeclared" else kind
    return made(told(error), error.problems)
