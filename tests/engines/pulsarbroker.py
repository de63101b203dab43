"""A Pulsar of one process (broker, bookie, metadata in RocksDB) for this suite. Its data outlives `stop`."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from engines import parts, running
from support.ports import free_port

_CONF = """clusterName=standalone
bindAddress=127.0.0.1
advertisedAddress=127.0.0.1
managedLedgerDefaultEnsembleSize=1
managedLedgerDefaultWriteQuorum=1
managedLedgerDefaultAckQuorum=1
managedLedgerMinLedgerRolloverTimeMinutes=0
managedLedgerCacheSizeMB=16
bookkeeperClientHealthCheckEnabled=false
allowLoopback=true
diskUsageThreshold=0.998
diskUsageWarnThreshold=0.997
diskUsageLwmThreshold=0.997
dbStorage_writeCacheMaxSizeMb=16
dbStorage_readAheadCacheMaxSizeMb=16
dbStorage_rocksDB_blockCacheSize=8388608
journalMaxSizeMB=64
journalPreAllocSizeMB=4
journalSyncData=false
httpServerEnabled=false
prometheusStatsHttpPort=0
webSocketServiceEnabled=false
transactionCoordinatorEnabled=false
loadBalancerEnabled=false
numIOThreads=2
numHttpServerThreads=8
defaultRetentionTimeInMinutes=-1
defaultRetentionSizeInMB=-1
brokerDeleteInactiveTopicsEnabled=false
systemTopicEnabled=false
topicLevelPoliciesEnabled=false
"""
_OPENED = (
    "java.base/java.io", "java.base/java.lang", "java.base/java.lang.reflect", "java.base/java.net",
    "java.base/java.nio", "java.base/java.util", "java.base/java.util.zip", "java.base/jdk.internal.loader",
    "java.base/jdk.internal.misc", "java.base/jdk.internal.platform", "java.base/sun.net", "java.base/sun.nio.ch",
    "java.base/sun.security.jca", "java.management/sun.management", "jdk.management/com.sun.management.internal",
)  # fmt: skip
_TENANT = "public/default"


class PulsarBroker:
    """`service_url` and `admin_url` on loopback; topics of the namespace public/default."""

    def __init__(self, folder: Path, jars: Path) -> None:
        ports = [free_port() for _ in range(3)]
        self.service_url = f"pulsar://127.0.0.1:{ports[0]}"
        self.admin_url = f"http://127.0.0.1:{ports[1]}"
        self._bookie = ports[2]
        self._folder = folder
        self._jars = jars
        self._running: Any = None

    def __enter__(self) -> PulsarBroker:
        self._folder.mkdir(parents=True)
        service, admin = (url.rpartition(":")[2] for url in (self.service_url, self.admin_url))
        conf = f"{_CONF}brokerServicePort={service}\nwebServicePort={admin}\n"
        (self._folder / "standalone.conf").write_text(conf)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until its namespace is there."""
        argv = [
            str(parts.java(17, 24)), "-Xmx256m", "-XX:MaxDirectMemorySize=256m", "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1", "-Dio.netty.tryReflectionSetAccessible=true",
            *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENED), "-cp", f"{self._jars}/*",
            "org.apache.pulsar.PulsarStandaloneStarter", "-c", str(self._folder / "standalone.conf"),
            "--metadata-dir", str(self._folder / "metadata"), "--bookkeeper-dir", str(self._folder / "bookie"),
            "--bookkeeper-port", str(self._bookie), "-nfw", "-nss",
        ]  # fmt: skip
        log = self._folder / "pulsar.log"
        self._running = running.launched(argv, log, {})
        process = self._running.__enter__()
        running.wait_for(process, log, self._look)

    def _look(self) -> None:
        if _TENANT not in (self.ask("GET", "namespaces/public") or []):
            raise OSError("starting")

    def stop(self) -> None:
        """End it; what it keeps stays."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the admin service answers; None for nothing. Raises OSError."""
        try:
            answer = httpx.request(method, f"{self.admin_url}/admin/v2/{path}", json=body, timeout=20)
        except httpx.HTTPError as error:
            raise OSError(f"{method} {path}: {error}") from error
        if answer.is_error:
            raise OSError(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json() if answer.content else None

    def make(self, topic: str, partitions: int) -> None:
        """A new topic with partitions."""
        self.ask("PUT", f"persistent/{_TENANT}/{topic}/partitions", partitions)

    def roll(self, topic: str, remove: bool) -> None:
        """Let a topic begin its next ledger; `remove`: and let go of those that are full."""
        retention = {"retentionTimeInMinutes": 0 if remove else -1, "retentionSizeInMB": 0 if remove else -1}
        self.ask("POST", f"namespaces/{_TENANT}/retention", retention)
        self.ask("PUT", f"persistent/{_TENANT}/{topic}/unload")
        self.ask("GET", f"persistent/{_TENANT}/{topic}/internalStats")
        if remove:
            self.ask("POST", f"persistent/{_TENANT}/{topic}/trim")

    @contextmanager
    def client(self) -> Generator[Any]:
        """Pulsar's own client."""
        import pulsar

        quiet = pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull)
        made = pulsar.Client(self.service_url, logger=quiet)
        try:
            yield made
        finally:
            made.close()

    def send(self, topic: str, values: Iterable[Any], schema: Any = None, batch: int = 1, **more: Any) -> None:
        """Messages with these values (of the schema; texts without one), several in an entry where `batch` says so.
        `more`: of each message; a function is given the value."""
        import pulsar

        failed: list[Any] = []
        with self.client() as client:
            producer = client.create_producer(
                f"persistent://{_TENANT}/{topic}",
                schema=schema or pulsar.schema.BytesSchema(),
                batching_enabled=batch > 1,
                batching_max_messages=max(2, batch),
                batching_max_publish_delay_ms=1000,
            )
            for value in values:
                made = {k: v(value) if callable(v) else v for k, v in more.items()}
                content = value.encode() if schema is None else value
                producer.send_async(content, lambda r, _: failed.append(r) if r != pulsar.Result.Ok else None, **made)
            producer.flush()
        assert not failed

    def read(self, topic: str, schema: Any = None) -> list[Any]:
        """All messages of a topic without partitions."""
        import pulsar

        found: list[Any] = []
        with self.client() as client:
            reader = client.create_reader(
                f"persistent://{_TENANT}/{topic}", pulsar.MessageId.earliest, schema or pulsar.schema.BytesSchema()
            )
            while reader.has_message_available():
                found.append(reader.read_next(5000))
        return found
