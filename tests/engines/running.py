"""Starts the engines of this suite, one process of each for the whole of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines import parts
from support.ports import free_port
from support.s3 import SECRET

_OPENED = [
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
]
ACCESS_KEY = "me"
_OPENED_INNER = ("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar")


@contextmanager
def spark(folder: Path, jars: Sequence[Path], **conf: str) -> Generator[str]:
    """A Spark Connect server with Iceberg's runtime; its address. `conf`: further properties, `__` for `.`."""
    port = free_port()
    folder.mkdir(parents=True)
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        **{k.replace("__", "."): v for k, v in conf.items()},
    }
    argv = [
        str(parts.java(17, 21)), "-Xmx2g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Dio.netty.tryReflectionSetAccessible=true", "--add-modules=jdk.incubator.vector",
        *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in (*_OPENED, *_OPENED_INNER)),
        "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
        "-cp", ":".join(f"{j}/*" for j in jars), "org.apache.spark.deploy.SparkSubmit", "--master", "local[2]",
        *(part for k, v in settings.items() for part in ("--conf", f"{k}={v}")),
        "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal",
    ]  # fmt: skip
    # UDFs run in Python processes of Spark's: this Python has PySpark
    env = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    with launched(argv, folder / "spark.log", env) as process:
        wait_for(process, folder / "spark.log", lambda: socket.create_connection(("127.0.0.1", port)).close())
        yield f"sc://127.0.0.1:{port}"


@contextmanager
def trino(folder: Path, home: Path) -> Generator[int]:
    """A Trino whose catalogs are made by statements; its port on loopback."""
    port = free_port()
    etc = folder / "etc"
    etc.mkdir(parents=True)
    (etc / "config.properties").write_text(
        "coordinator=true\nnode-scheduler.include-coordinator=true\nhttp-server.http.port="
        f"{port}\ndiscovery.uri=http://127.0.0.1:{port}\nnode.internal-address=127.0.0.1\n"
        "catalog.management=dynamic\ncatalog.store=memory\nquery.max-memory=512MB\nquery.max-memory-per-node=512MB\n"
    )
    (etc / "node.properties").write_text(
        f"node.environment=test\nnode.data-dir={folder / 'data'}\nplugin.dir={home / 'plugin'}\n"
    )
    argv = [
        str(parts.trino_java()), "-Xmx1500M", "-XX:+UseSerialGC", "-XX:-UseBiasedLocking",
        "-Djdk.attach.allowAttachSelf=true", "-Dfile.encoding=UTF-8", "--add-modules=jdk.incubator.vector",
        "--sun-misc-unsafe-memory-access=allow", "-XX:+IgnoreUnrecognizedVMOptions",
        "-Dnode.environment=test", f"-Dnode.data-dir={folder / 'data'}", f"-Dplugin.dir={home / 'plugin'}",
        f"-Dconfig={etc / 'config.properties'}",
        "-cp", f"{home / 'lib'}/*", "io.trino.server.TrinoServer",
    ]  # fmt: skip

    def started() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/info", timeout=2) as answer:
            if b'"starting":false' not in answer.read():
                raise OSError("starting")

    with launched(argv, folder / "trino.log", {}) as process:
        wait_for(process, folder / "trino.log", started)
        yield port


class Broker:
    """A Kafka broker that is its own controller. `stop` and `start` let it be away for a while."""

    def __init__(self, folder: Path, jars: Path, login: tuple[str, str] | None = None) -> None:
        """`login`: the user and password that it asks for (SASL PLAIN); None: it asks for none."""
        self.address = f"127.0.0.1:{free_port()}"
        self._login = login
        self.settings: dict[str, Any] = {"bootstrap.servers": self.address}
        if login is not None:
            self.settings |= {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                              "sasl.username": login[0], "sasl.password": login[1]}  # fmt: skip
        self._folder = folder
        self._java = [
            str(parts.java(17, 99)), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*",
        ]  # fmt: skip
        self._running: Any = None

    def __enter__(self) -> Broker:
        controller = f"127.0.0.1:{free_port()}"
        self._folder.mkdir(parents=True)
        protocol, security = "PLAINTEXT", ""
        if self._login is not None:
            user, password = self._login
            protocol = "SASL_PLAINTEXT"
            jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required "
            jaas += f'username="{user}" password="{password}" user_{user}="{password}";'
            security = (
                f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,{protocol}:{protocol}\n"
                f"inter.broker.listener.name={protocol}\nsasl.enabled.mechanisms=PLAIN\n"
                f"sasl.mechanism.inter.broker.protocol=PLAIN\n"
                f"listener.name.sasl_plaintext.plain.sasl.jaas.config={jaas}\n"
            )
        self._config = self._folder / "server.properties"
        self._config.write_text(
            f"process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@{controller}\n"
            f"listeners={protocol}://{self.address},CONTROLLER://{controller}\nadvertised.listeners={protocol}://"
            f"{self.address}\n{security}controller.listener.names=CONTROLLER\nlog.dirs={self._folder / 'data'}\n"
            "offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n"
            "transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\nauto.create.topics.enable=true\n"
            "log.retention.check.interval.ms=500\nlog.segment.delete.delay.ms=0\n"
        )
        argv = [
            *self._java,
            "kafka.tools.StorageTool",
            "format",
            "-t",
            "MkU3OEVBNTcwNTJENDM2Qg",
            "-c",
            str(self._config),
        ]
        subprocess.run(argv, check=True, capture_output=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        from confluent_kafka.admin import AdminClient

        log = self._folder / "kafka.log"
        self._running = launched([*self._java, "kafka.Kafka", str(self._config)], log, {})
        process = self._running.__enter__()

        def look() -> None:
            try:
                AdminClient({**self.settings, "log_level": 0}).list_topics(timeout=1)
            except Exception as error:
                raise OSError from error

        wait_for(process, log, look)

    def stop(self) -> None:
        """End it; what it keeps stays."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None

    def make(self, topic: str, partitions: int = 1, **config: str) -> None:
        """A new topic. `config`: its settings, `_` for `.`."""
        from confluent_kafka.admin import AdminClient, NewTopic

        made = NewTopic(topic, partitions, 1, config={k.replace("_", "."): v for k, v in config.items()})
        admin = AdminClient(self.settings)
        for future in admin.create_topics([made]).values():
            future.result(20)

    def send(self, topic: str, values: Iterable[str], key: str | None = None, **more: Any) -> None:
        """Messages with these values."""
        from confluent_kafka import Producer

        producer = Producer(self.settings)
        for value in values:
            producer.produce(topic, value.encode(), key=key or value, **more)
        assert producer.flush(20) == 0

    def read(self, topic: str) -> list[Any]:
        """All messages of a topic."""
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({**self.settings, "group.id": "test", "enable.auto.commit": False})
        try:
            places = [TopicPartition(topic, p, 0) for p in consumer.list_topics(topic, 10).topics[topic].partitions]
            left = sum(consumer.get_watermark_offsets(p, 10)[1] for p in places)
            consumer.assign(places)
            found: list[Any] = []
            while len(found) < left and (message := consumer.poll(5)) is not None:
                assert message.error() is None
                found.append(message)
            return found
        finally:
            consumer.close()


@dataclass(frozen=True)
class S3Store:
    """A running versitygw. It knows one key pair, that of `support.s3.depot`: `me` and its secret."""

    endpoint: str
    region: str
    folder: Path

    def client(self, bucket: str) -> Any:
        """An obstore client of a bucket."""
        from obstore.store import S3Store as Client

        return Client(
            bucket,
            endpoint=self.endpoint,
            region=self.region,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def bucket(self, name: str, objects: Mapping[str, bytes] | None = None) -> None:
        """Make a bucket with objects in it."""
        (self.folder / name).mkdir(exist_ok=True)
        for key, content in (objects or {}).items():
            self.put(name, key, content)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Put an object."""
        import obstore

        obstore.put(self.client(bucket), key, content)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Keys of a bucket's objects, sorted."""
        import obstore

        found = obstore.list(self.client(bucket)).collect()
        return sorted(str(o["path"]) for o in found if str(o["path"]).startswith(prefix))

    def read(self, bucket: str, key: str) -> bytes:
        """Content of an object."""
        import obstore

        return bytes(obstore.get(self.client(bucket), key).bytes())


@contextmanager
def s3_store(folder: Path, program: Path, region: str = "us-east-1") -> Generator[S3Store]:
    """An S3 whose objects are files below the folder."""
    port = free_port()
    files = folder / "buckets"
    files.mkdir(parents=True)
    argv = [str(program), "--port", f"127.0.0.1:{port}", "--region", region, "--quiet", "posix", str(files)]
    env = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET}
    with launched(argv, folder / "s3.log", env) as process:
        wait_for(process, folder / "s3.log", lambda: socket.create_connection(("127.0.0.1", port)).close())
        yield S3Store(f"http://127.0.0.1:{port}", region, files)


@contextmanager
def launched(argv: list[str], log: Path, env: dict[str, str]) -> Generator[subprocess.Popen[bytes]]:
    """A process in a session of its own, ended with all its children."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv, cwd=log.parent, env={**os.environ, **env}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(
    process: subprocess.Popen[bytes], log: Path, look: Callable[[], object], patience_s: float = 180.0
) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with suppress(OSError):
            look()
            return
        time.sleep(0.2)
    raise RuntimeError(f"{log.stem} did not start:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-30:]))
