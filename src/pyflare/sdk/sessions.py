"""The session of a program, and reading and writing in it: Flare's own readers and writers, run as the user.

Reading goes through the server's gate, so what comes is what policies leave. Frames are those of PySpark (Spark
Connect): of the embedded engine inside this process, or of an Apache Spark that the session names.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataos.client.api import Client
from dataos.client.connections import Connection
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.core.sparkaddresses import SparkAddress
from dataos.manifest.specs import Reading
from dataos.stacks.flare import outputs
from dataos.stacks.flare.blocks import OutputEntry, text_of
from dataos.stacks.flare.driver import engine as engines
from dataos.stacks.flare.driver import problems
from dataos.stacks.flare.driver.catalog import Catalog
from dataos.stacks.flare.driver.duckfiles import Converter
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.driver.job import Source
from dataos.stacks.flare.driver.output import Log
from dataos.stacks.flare.driver.reaching import Reach
from dataos.stacks.flare.driver.readers import Readers
from dataos.stacks.flare.driver.writers import Stamp, Writers
from dataos.stacks.flare.model import Input, Output
from pyflare.sdk.exceptions import (
    InvalidInputException,
    MissingElementException,
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


@dataclass
class _Session:
    connection: Connection
    engine: Engine
    reach: Reach
    readers: Readers
    catalog: Catalog
    progress: Log
    depots: dict[str, str]
    scratch: Path
    inputs: dict[str, str] = field(default_factory=dict[str, str])
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    count: Any = field(default_factory=lambda: itertools.count(1))

    def close(self) -> None:
        """End the engine, and take the scratch folder away."""
        with contextlib.suppress(Exception):
            self.engine.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


_current: _Session | None = None


def open_session(
    connection: Connection, depots: Mapping[str, str], conf: Mapping[str, str], level: str, spark: SparkAddress | None
) -> SparkSession:
    """Make the session and let it be the current one; one that was before is closed. Raises as `build_session`."""
    global _current
    reach = Reach(Client(connection))
    warehouses: list[str] = []
    for name in depots:
        error = reach.missing(name)
        if error is not None:
            raise _refused(name, error)
        if (warehouse := reach.warehouse(name)) is not None:
            warehouses.append(warehouse)
    close_session()
    scratch = Path(tempfile.mkdtemp(prefix="pyflare-"))
    try:
        engine = engines.start(
            connection.url, connection.token, warehouses, threads=0, memory_bytes=0, scratch=scratch, spark=spark
        )
        for key, value in conf.items():
            if key.startswith("spark.sql.") and key != "spark.sql.session.timeZone":
                with contextlib.suppress(Exception):  # a property that the engine does not know has no effect
                    engine.session.conf.set(key, value)
    except DataOSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise PyflareReadException(_told(error)) from None
    log = Log(level, sys.stderr)
    catalog = Catalog(connection.url, connection.token)
    readers = Readers(engine, catalog, reach.client, Converter(scratch, 0, 0), scratch, log)
    _current = _Session(connection, engine, reach, readers, catalog, log, dict(depots), scratch)
    return engine.session


def close_session() -> None:
    """End the current session, if there is one."""
    global _current
    if _current is not None:
        _current.close()
        _current = None


atexit.register(close_session)


def session(
    api_key: str | None = None,
    dataos_url: str | None = None,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    spark_conf_options: Iterable[tuple[str, Any]] = (),
    log_level: str = "INFO",
) -> SparkSession:
    """The older way: a session whose inputs (view -> address) are loaded, and whose outputs `save` knows by name."""
    from pyflare.sdk.session_builder import SparkSessionBuilder

    builder = SparkSessionBuilder(log_level).with_spark_conf(spark_conf_options)
    if api_key is not None:
        builder.with_user_apikey(api_key)
    if dataos_url is not None:
        builder.with_dataos_fqdn(dataos_url)
    builder.with_readers(list((inputs or {}).values())).with_writers(list((outputs or {}).values()))
    made = builder.build_session()
    current = _need()
    current.inputs.update(inputs or {})
    current.outputs.update(outputs or {})
    for view, address in (inputs or {}).items():
        load(address).createOrReplaceTempView(view)
    return made


def load(
    name: str,
    format: str | None = None,
    driver: str | None = None,
    query: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> DataFrame:
    """A dataset as its user may see it. `query`: one SELECT (Trino dialect) in place of the whole dataset.

    `driver` and options of drivers have no effect. Raises InvalidInputException, PyflareReadException.
    """
    current = _need()
    address = _address(current, current.inputs.get(name, name))
    form = _format(format)
    given = {k: text_of(v) for k, v in (options or {}).items() if not isinstance(v, dict | list) and v is not None}
    try:
        source = Source("query") if query is not None else current.reach.source(address, form)
        return _read(
            current,
            f"dataset_{next(current.count)}",
            None if query is not None else address,
            query,
            None,
            given,
            source,
        )
    except DataOSError as error:
        raise _read_error(address.depot, error) from None


def minerva_input(
    name: str,
    query: str,
    cluster_name: str = "system",
    driver: str = "io.trino.jdbc.TrinoDriver",
    options: Mapping[str, Any] | None = None,
) -> DataFrame:
    """The answer of a query (Trino dialect) of a Cluster, also as the view `name`. Raises PyflareReadException."""
    current = _need()
    cluster = None if cluster_name in ("system", "") else cluster_name
    try:
        frame = _read(current, f"query_{next(current.count)}", None, query, cluster, {}, Source("query"))
    except DataOSError as error:
        raise PyflareReadException(_told(error)) from None
    frame.createOrReplaceTempView(name)
    return frame


def save(
    name: str,
    dataframe: DataFrame | None = None,
    format: str | None = None,
    mode: str = "append",
    driver: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write a frame to a table of a Lakehouse, in one commit. In older programs `name` is a view of the session.

    Raises InvalidInputException, MissingElementException, PyflareWriteException; nothing is changed then.
    """
    current = _need()
    address = _address(current, current.outputs.get(name, name), writes=True)
    view = f"__save_{next(current.count)}"
    if dataframe is None:
        if name not in current.outputs:
            raise MissingElementException("no dataframe: give one, or the name of an output of the session")
        try:
            dataframe = current.engine.session.table(name)
        except Exception as error:  # noqa: BLE001 - whatever the engine says of it
            raise MissingElementException(f"there is no view `{name}`: {problems.first_line(str(error))}") from None
    try:
        output = _output(view, address, format, mode, options or {})
        target = current.reach.target(address, output.format, output.branch)
        dataframe.createOrReplaceTempView(view)
        stamp = Stamp(f"pyflare-{uuid.uuid4()}")
        writers = Writers(current.engine, current.catalog, current.progress, (), datetime.now(UTC), stamp)
        table, chosen = writers.prepare(output, target)
        written = writers.write(output, target, table, chosen)
    except DataOSError as error:
        raise _write_error(address.depot, error) from None
    except PyflareException:
        raise
    except Exception as error:  # noqa: BLE001 - what the engine says, in the words of this interface
        code, message, _, hint = problems.explain(error, "save", ())
        raise PyflareWriteException(f"{name}: {message} ({hint})" if hint else f"{name}: {message} [{code}]") from None
    rows = "" if written.rows is None else f": {written.rows} rows"
    current.progress.info(f"saved {address}{rows}{' (new table)' if written.created else ''}")


def refresh_global_data(builder: Any) -> SparkSession:
    """The session anew: depots and key as the builder has them now."""
    return builder.build_session()


def _read(
    current: _Session,
    label: str,
    address: Udl | None,
    query: str | None,
    cluster: str | None,
    options: Mapping[str, str],
    source: Source,
) -> DataFrame:
    entry = Input(
        label, address, None if query is None else query.strip().rstrip(";"), cluster, source.format or None, options,
        None, None, (), (),
    )  # fmt: skip
    current.readers.load(entry, source, keep_system_columns=False)
    return current.engine.session.table(label)


def _output(view: str, address: Udl, format_: str | None, mode: str, options: Mapping[str, Any]) -> Output:
    """The call as an output of a Flare job. Raises DataOSError with what is wrong."""
    told = {k: v for k, v in options.items() if k.lower() not in _WRITERS_OWN}
    for key in [k for k in told if k.lower() == "iceberg" and isinstance(told[k], dict)]:
        block = dict(told[key])
        for name in [k for k in block if k.lower() in ("table_properties", "tableproperties")]:
            block["properties"] = {**(block.get("properties") or {}), **(block.pop(name) or {})}
        told[key] = block
    for key in [k for k in told if k.lower().startswith("iceberg.")]:  # dotted, as options of Spark are
        name = {"table_properties": "properties"}.get(key[8:].lower(), key[8:])
        told["iceberg"] = {**(told.get("iceberg") or {}), name: told.pop(key)}
    word = next((v for k, v in options.items() if k.lower() == "compression"), None)
    body = {**told, "saveMode": mode, **({"compressionType": str(word)} if word else {})}
    reading = Reading()
    place = Udl(address.depot, address.collection, address.dataset, "rw", address.options)
    entry = OutputEntry(name=view, dataset=str(place), format=_format(format_), options=body)
    made = outputs.read(entry, reading, ())
    if made is None:
        raise DataOSError(reading.problems)
    return made


def _format(word: str | None) -> str | None:
    folded = (word or "").strip().lower()
    if folded in _DATABASES:
        return "jdbc"
    return folded or None


def _need() -> _Session:
    if _current is None:
        raise MissingElementException("there is no session: SparkSessionBuilder(...).build_session() makes one")
    return _current


def _address(current: _Session, text: str, writes: bool = False) -> Udl:
    try:
        address = Udl.parse(text)
    except DataOSError as error:
        raise InvalidInputException(_told(error)) from None
    acl = current.depots.get(address.depot)
    if acl is None:
        known = ", ".join(current.depots) or "none"
        raise InvalidInputException(
            f"Depot not loaded in current session: {address.depot} (loaded: {known}); "
            f'call with_depot("{address.depot}")'
        )
    if writes and acl != "rw":
        raise InvalidInputException(
            f'depot {address.depot} is loaded for reading; call with_depot("{address.depot}", acl="rw")'
        )
    return address


def _told(error: DataOSError) -> str:
    """All that is wrong, and what to do about it."""
    return "; ".join(f"{p.message} ({p.hint})" if p.hint else p.message for p in error.problems)


def _refused(depot: str, error: DataOSError) -> InvalidInputException:
    status = {"auth": 401, "forbidden": 403}.get(error.problem.code.split(".")[0])
    if error.problem.code.endswith("not_found"):
        status = 404
    if status is None:
        return InvalidInputException(_told(error))
    text = f"Something went wrong in depot metadata API for depot: {depot} with status code: {status}"
    return InvalidInputException(f"{text} ({error.problem.message})")


def _read_error(depot: str, error: DataOSError) -> PyflareException:
    return _refused(depot, error) if error.problem.code.startswith("auth.") else PyflareReadException(_told(error))


def _write_error(depot: str, error: DataOSError) -> PyflareException:
    return _refused(depot, error) if error.problem.code.startswith("auth.") else PyflareWriteException(_told(error))
