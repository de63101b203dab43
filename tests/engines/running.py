"""Starts the engines of this suite, one process of each for the whole of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from engines import parts

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
_OPENED_INNER = ("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def spark(folder: Path, jars: Path, **conf: str) -> Generator[str]:
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
        "-cp", f"{jars}/*", "org.apache.spark.deploy.SparkSubmit", "--master", "local[2]",
        *(part for k, v in settings.items() for part in ("--conf", f"{k}={v}")),
        "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal",
    ]  # fmt: skip
    with _process(argv, folder / "spark.log", {"SPARK_LOCAL_IP": "127.0.0.1"}) as process:
        _wait(process, folder / "spark.log", lambda: socket.create_connection(("127.0.0.1", port)).close())
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

    with _process(argv, folder / "trino.log", {}) as process:
        _wait(process, folder / "trino.log", started)
        yield port


@contextmanager
def _process(argv: list[str], log: Path, env: dict[str, str]) -> Generator[subprocess.Popen[bytes]]:
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


def _wait(process: subprocess.Popen[bytes], log: Path, look: Callable[[], object], patience_s: float = 180.0) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with suppress(OSError):
            look()
            return
        time.sleep(0.2)
    raise RuntimeError(f"{log.stem} did not start:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-30:]))
