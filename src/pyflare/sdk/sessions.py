"""The session of a program, and reading and writing in it: Flare's own readers and writers, run as the user.

Reading goes through the server's gate, so what comes is what policies leave. In a job the session is the job's
(`driver.programs`). Frames are those of PySpark (Spark Connect): of the embedded engine inside this process, or of an
Apache Spark that the session names.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataos.client.api import Client
from dataos.client.connections import Connection
from dataos.core.errors import DataOSError
from dataos.core.sparkaddresses import SparkAddress
from dataos.stacks.flare.blocks import text_of
from dataos.stacks.flare.driver import engine as engines
from dataos.stacks.flare.driver import problems
from dataos.stacks.flare.driver.output import Log
from dataos.stacks.flare.driver.programs import Program
from dataos.stacks.flare.driver.reaching import Reach
from pyflare.sdk.backends import Backend, Inside, Outside, format_of, refused, told
from pyflare.sdk.exceptions import InvalidInputException, MissingElementException, PyflareReadException

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_current: Backend | None = None


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
            raise refused(name, error)
        if (warehouse := reach.warehouse(name)) is not None:
            warehouses.append(warehouse)
    close_session()
    scratch = Path(tempfile.mkdtemp(prefix="pyflare-"))
    try:
        engine = engines.start(
            connection.url, connection.token, warehouses, threads=0, memory_bytes=0, scratch=scratch, spark=spark
        )
    except DataOSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise PyflareReadException(told(error)) from None
    _configure(engine.session, conf)
    _current = Outside(connection, engine, reach, Log(level, sys.stderr), dict(depots), scratch)
    return engine.session


def open_in_job(program: Program, depots: Mapping[str, str], conf: Mapping[str, str], level: str) -> SparkSession:
    """The session of a job: its engine runs already. Raises InvalidInputException for depots that it does not name."""
    global _current
    made = Inside(program)
    for name, acl in depots.items():
        known = made.depots.get(name)
        if known is None or (acl == "rw" and known != "rw"):
            what = "inputs and outputs" if known is None else "outputs"
            raise InvalidInputException(
                f"depot {name} is not among the {what} of the job ({', '.join(made.depots) or 'none'}); "
                "declare the datasets in its manifest"
            )
    program.progress.set_level(level)
    _configure(made.spark, conf)
    _current = made
    return made.spark


def _configure(spark: SparkSession, conf: Mapping[str, str]) -> None:
    for key, value in conf.items():
        if key.startswith("spark.sql.") and key != "spark.sql.session.timeZone":
            with contextlib.suppress(Exception):  # a property that the engine does not know has no effect
                spark.conf.set(key, value)


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
    given = {k: text_of(v) for k, v in (options or {}).items() if not isinstance(v, dict | list) and v is not None}
    return current.load(current.inputs.get(name, name), format_of(format), query, given)


def minerva_input(
    name: str,
    query: str,
    cluster_name: str = "system",
    driver: str = "io.trino.jdbc.TrinoDriver",
    options: Mapping[str, Any] | None = None,
) -> DataFrame:
    """The answer of a query (Trino dialect) of a Cluster, also as the view `name`. Raises PyflareReadException."""
    frame = _need().query(query, None if cluster_name in ("system", "") else cluster_name)
    frame.createOrReplaceTempView(name)
    return frame


def save(
    name: str,
    dataframe: DataFrame | None = None,
    format: str | None = None,
    mode: str | None = None,
    driver: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write a frame. In older programs `name` is a view of the session.

    From outside: to a table of a Lakehouse, in one commit; `mode` is `append` where nothing is said. In a job: to one
    of its outputs, with the run; `mode` as the manifest says. Raises InvalidInputException, MissingElementException,
    PyflareWriteException; nothing is changed then.
    """
    current = _need()
    if dataframe is None:
        if name not in current.outputs:
            raise MissingElementException("no dataframe: give one, or the name of an output of the session")
        try:
            dataframe = current.spark.table(name)
        except Exception as error:  # noqa: BLE001 - whatever the engine says of it
            raise MissingElementException(f"there is no view `{name}`: {problems.first_line(str(error))}") from None
    current.save(current.outputs.get(name, name), dataframe, format_of(format), mode, options or {})


def refresh_global_data(builder: Any) -> SparkSession:
    """The session anew: depots and key as the builder has them now."""
    return builder.build_session()


def _need() -> Backend:
    if _current is None:
        raise MissingElementException("there is no session: SparkSessionBuilder(...).build_session() makes one")
    return _current
