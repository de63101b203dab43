"""The engine of a job: Sail inside this process, or an Apache Spark by address; both speak Spark Connect.

Everything heavy (pysail, pyspark) is imported here and at first use: a job that fails early never pays for it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataos.core.errors import fail
from dataos.core.secrecy import Secret
from dataos.core.sparkaddresses import SparkAddress
from dataos.stacks.flare.driver.catalog import Catalog
from dataos.stacks.flare.driver.forwarder import Forwarder
from dataos.stacks.flare.engines import EngineName
from dataos.stacks.flare.quoting import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_CATALOGS = "SAIL_CATALOG__LIST"
_PREFIX = "dw_"
_LEAST_POOL = 128 << 20
_CONNECT_S = 10.0


class Engine(ABC):
    """One session. Warehouses are catalogs that SQL of ours can name and SQL of steps cannot."""

    name: EngineName
    session: SparkSession
    reads_scratch: bool
    """Does it see the files of this job's own folders?"""
    most_files: int | None = None
    """Files of one input that it reads well by itself; None: any number."""

    def sql(self, text: str) -> DataFrame:
        """A relation, not computed yet. Its `schema` is analysed at first look."""
        return self.session.sql(text)

    def run(self, text: str) -> list[Any]:
        """Compute a statement; its rows."""
        return self.session.sql(text).collect()

    @abstractmethod
    def read_made(self, *paths: str) -> DataFrame:
        """Parquet files of one schema that this job made in its scratch folder."""

    @abstractmethod
    def keep(self, frame: DataFrame, label: str) -> DataFrame:
        """The rows of a frame, computed once: what it answers from now on, at every look. No column is typeless."""

    @abstractmethod
    def begin_batch(self, scratch: Path) -> None:
        """Forget what was kept for the batch before; what is kept from now on lies in that folder."""

    @abstractmethod
    def close(self) -> None:
        """End the session, and what belongs to it."""


class Sail(Engine):
    """The embedded engine: a Spark Connect server inside this process."""

    name = EngineName.SAIL
    reads_scratch = True
    most_files = 500  # it opens all files of a scan at once, and takes a millisecond to look at each

    def __init__(
        self,
        server: str,
        token: Secret,
        warehouses: Iterable[str],
        *,
        threads: int,
        memory_bytes: int,
        scratch: Path,
        objects: Mapping[str, str] | None = None,
    ) -> None:
        self._scratch = scratch
        entries = ['{type="memory",name="sail",initial_database=["default"]}']
        for name in sorted(set(warehouses)):
            entries.append(
                f'{{type="iceberg-rest",name="{_PREFIX}{name}",uri="{server}/iceberg",warehouse="{name}",'
                f'bearer_access_token="{token.reveal()}"}}'
            )
        self._before: dict[str, str | None] = {}
        os.environ.setdefault("RUST_LOG", "error")
        os.environ["SAIL_CATALOG__DEFAULT_CATALOG"] = '"sail"'
        os.environ[_CATALOGS] = f"[{','.join(entries)}]"
        if threads > 0:
            self._default("SAIL_EXECUTION__DEFAULT_PARALLELISM", str(threads))
        if memory_bytes > 0:
            # What sorts, joins and aggregates may hold before they spill. The rest is for what the pool does not count:
            # this interpreter, decoded files on their way in, Parquet pages on their way out.
            pool = max(_LEAST_POOL, memory_bytes // 2)
            self._default("SAIL_RUNTIME__MEMORY_POOL__TYPE", "fair")
            self._default("SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE", str(pool))
        if objects:  # Sail has one S3 store for all buckets, and reads how to reach it when it first needs one
            for key, value in {**_OBJECTS, **{key: objects[name] for key, name in _ACCESS.items()}}.items():
                self._say(key, value)
        spill = scratch / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        self._default("SAIL_RUNTIME__TEMPORARY_FILES__PATHS", f'["{spill}"]')
        from pysail.spark import SparkConnectServer

        self._sail = SparkConnectServer("127.0.0.1", 0)
        self._sail.start(background=True)
        self.session = self._connect()
        os.environ.pop(_CATALOGS, None)  # the session has its catalogs; no child needs the token

    def _default(self, key: str, value: str) -> None:
        """A setting of this engine where the environment has none; `close` takes it back for the next one."""
        if key not in os.environ:
            self._say(key, value)

    def _say(self, key: str, value: str) -> None:
        self._before.setdefault(key, os.environ.get(key))
        os.environ[key] = value

    def _connect(self) -> SparkSession:
        from pyspark.sql import SparkSession

        address: Any = self._sail.listening_address
        session = SparkSession.builder.remote(f"sc://{address[0]}:{address[1]}").getOrCreate()  # pyright: ignore[reportAttributeAccessIssue]
        session.conf.set("spark.sql.session.timeZone", "UTC")
        return session

    def read_made(self, *paths: str) -> DataFrame:
        """As the port says."""
        return self.session.read.parquet(*paths)

    def keep(self, frame: DataFrame, label: str) -> DataFrame:
        """As Parquet in scratch."""
        target = str(self._scratch / label)
        frame.write.mode("overwrite").parquet(target)
        return self.session.read.schema(frame.schema).parquet(target)

    def begin_batch(self, scratch: Path) -> None:
        """As the port says."""
        self._scratch = scratch

    def close(self) -> None:
        """As the port says."""
        try:
            _stop(self.session)
        finally:  # the session may have been stopped already
            self._sail.stop()
            for key, value in self._before.items():
                if value is None:
                    os.environ.pop(key, None)
                else:
                    os.environ[key] = value


class Spark(Engine):
    """An Apache Spark by address, in a session of this job's own.

    The session's catalogs hold the token of the run: other sessions do not see them, and Spark leaves keys that end in
    `token` out of what it logs and shows (`spark.redaction.regex`). Spark needs Iceberg's runtime.
    """

    name = EngineName.SPARK
    reads_scratch = False

    def __init__(
        self, address: SparkAddress, secret: Secret | None, catalog: str, token: Secret, warehouses: Iterable[str]
    ) -> None:
        """`secret`: the token that Spark asks for, if it does; `catalog`: the server's address as Spark reaches it;
        `token`: of the run. Raises DataOSError `flare.spark_unreachable`, `flare.spark_setup`."""
        self._address = address
        self._kept: list[DataFrame] = []
        self._forwarder: Forwarder | None = None
        self.session = self._connect(address, secret)
        try:
            self._set_up(catalog, token, warehouses)
        except Exception:
            self.close()
            raise

    def _connect(self, address: SparkAddress, secret: Secret | None) -> SparkSession:
        from grpc import RpcError
        from pyspark.errors import PySparkException
        from pyspark.sql.connect.client import DefaultChannelBuilder
        from pyspark.sql.connect.client.retries import DefaultPolicy
        from pyspark.sql.connect.session import SparkSession

        for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger", "pyspark.sql.connect.logging"):
            logging.getLogger(name).disabled = True  # they print each error with the JVM's stack, besides raising it
        way = json.loads(os.environ.get("DATAOS_EGRESS", "{}")).get(address.endpoint)
        options: list[tuple[str, Any]] = []
        host, port = address.host.strip("[]"), address.port
        if way is not None:  # the sandbox has no network: its supervisor forwards
            self._forwarder = Forwarder(way)
            host, port = self._forwarder.address
            options.append(("grpc.ssl_target_name_override", address.host))
        text = f"sc://{f'[{host}]' if ':' in host else host}:{port}/;use_ssl={str(address.tls).lower()}"
        if secret is not None:
            text += f";token={secret.reveal()}"
        try:
            socket.create_connection((host, port), _CONNECT_S).close()
            channel: Any = DefaultChannelBuilder(text, channelOptions=options)
            session: Any = SparkSession.builder.channelBuilder(channel).create()
            session.client.set_retry_policies([DefaultPolicy(max_retries=3)])  # the usual ones wait for ten minutes
            session.conf.set("spark.sql.session.timeZone", "UTC")
        except (OSError, PySparkException, RpcError) as error:
            raise self._unreachable(error) from None
        session.client.set_retry_policies([DefaultPolicy()])
        return session

    def _unreachable(self, error: Exception) -> Exception:
        low = str(error).lower()
        if "unauthenticated" in low or "permission_denied" in low:
            hint = "its token stands in `compute.spark.token` of the Compute, or in DATAOS_FLARE__SPARK_TOKEN"
            return fail("flare.spark_unreachable", f"Apache Spark at {self._address} refused the token", hint=hint)
        hint = "is its Spark Connect server up, and does this machine reach it? docs/howto/use-apache-spark.md"
        return fail(
            "flare.spark_unreachable", f"Apache Spark at {self._address} does not answer", hint=hint, retry=10.0
        )

    def _set_up(self, catalog: str, token: Secret, warehouses: Iterable[str]) -> None:
        from pyspark.errors import PySparkException

        conf = self.session.conf
        for key, value in _SESSION.items():
            conf.set(key, value)
        for name in sorted(set(warehouses)):
            own = f"spark.sql.catalog.{_PREFIX}{name}"
            for key, value in {**_CATALOG, "uri": f"{catalog}/iceberg", "warehouse": name}.items():
                conf.set(f"{own}.{key}", value)
            conf.set(f"{own}.token", token.reveal())
            conf.set(own, "org.apache.iceberg.spark.SparkCatalog")
            try:
                self.run(f"SHOW NAMESPACES IN {quoted(_PREFIX + name)}")
            except PySparkException as error:
                found = self._no_catalog(str(error).replace(token.reveal(), "***"), catalog)
                if found is not None:
                    raise found from None

    def _no_catalog(self, text: str, catalog: str) -> Exception | None:
        """Why Spark cannot use the catalog; None for an answer of the catalog, which the job's own calls get too."""
        if "ClassNotFound" in text or "CATALOG_NOT_FOUND" in text or "Cannot find catalog plugin" in text:
            return fail(
                "flare.spark_setup",
                f"Apache Spark at {self._address} has no Iceberg",
                hint="start it with Iceberg's runtime of its version, for instance --packages "
                "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
            )
        if "Error occurred while processing" not in text and "Connection" not in text:
            return None
        return fail(
            "flare.spark_setup",
            f"Apache Spark at {self._address} cannot use the catalog at {catalog}/iceberg: "
            f"{' '.join(text.split('JVM stacktrace')[0].split())[:300]}",
            hint="set flare.catalog_url to an address of this server that Spark reaches",
        )

    def read_made(self, *paths: str) -> DataFrame:
        """Sent over: this job's scratch folder is its own."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        return self.session.createDataFrame(pa.concat_tables(pq.read_table(path) for path in paths))

    def keep(self, frame: DataFrame, label: str) -> DataFrame:
        """In Spark's own storage: a lost part fails the job, it is never computed anew."""
        kept = frame.localCheckpoint(eager=True)
        self._kept.append(kept)  # Spark lets go of it when this object ends, whatever view reads it
        return kept

    def begin_batch(self, scratch: Path) -> None:
        """As the port says."""
        self._kept.clear()

    def close(self) -> None:
        """As the port says; Spark itself goes on."""
        _stop(self.session)
        if self._forwarder is not None:
            self._forwarder.close()


_ACCESS = {
    "AWS_ENDPOINT": "s3.endpoint",
    "AWS_ACCESS_KEY_ID": "s3.access-key-id",
    "AWS_SECRET_ACCESS_KEY": "s3.secret-access-key",
    "AWS_SESSION_TOKEN": "s3.session-token",
    "AWS_REGION": "s3.region",
    "AWS_DEFAULT_REGION": "s3.region",
}
"""What Sail calls Iceberg's properties of S3 access."""

_OBJECTS = {
    "AWS_ALLOW_HTTP": "true",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
"""That Sail reaches the server's object door with nothing but that."""

_SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.sources.partitionOverwriteMode": "static",
    "spark.sql.caseSensitive": "false",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.storeAssignmentPolicy": "ANSI",
}
"""What a session of a job begins with, whatever that Spark's own defaults are."""

_CATALOG = {
    "type": "rest",
    "cache-enabled": "false",
    # Local tables without the hidden checksum file that Hadoop writes beside each file. The plain file system does not
    # tell its scheme, which Iceberg asks for; so it stands behind one that does.
    "hadoop.fs.file.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
    "hadoop.fs.file.impl.disable.cache": "true",
    "hadoop.fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "hadoop.fs.viewfs.mounttable.default.linkFallback": "file:///",
}


def _stop(session: Any) -> None:
    """End a session for good. PySpark closes it once more when the object goes, and with it threads that all sessions
    of the process share: from a garbage collection, that has been seen to wait for ever."""
    try:
        session.stop()
    finally:
        session.client.close = lambda: None


def start(
    server: str,
    token: Secret,
    warehouses: Iterable[str],
    *,
    threads: int,
    memory_bytes: int,
    scratch: Path,
    spark: SparkAddress | None = None,
    spark_token: Secret | None = None,
    catalog: str = "",
) -> Engine:
    """The engine of a job: Apache Spark where an address says so, else Sail. Raises DataOSError as `Catalog.find`, and
    as `Spark`."""
    if spark is not None:
        return Spark(spark, spark_token, catalog or server, token, warehouses)
    known = Catalog(server, token)
    names = sorted(set(warehouses))
    objects = next((found for name in names if (found := known.access(name))), None)  # the same for all: the server's
    return Sail(server, token, names, threads=threads, memory_bytes=memory_bytes, scratch=scratch, objects=objects)


def table_name(warehouse: str, namespace: Iterable[str], table: str) -> str:
    """The engine's name of a Lakehouse table."""
    return ".".join(quoted(part) for part in (_PREFIX + warehouse, *namespace, table))
