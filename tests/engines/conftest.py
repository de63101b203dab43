"""One process of each engine for the whole suite. With CI=true a missing one fails, else its tests skip and say which."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines import parts, pulsarbroker, running


def _need(part: parts.Part, java: Callable[[], object]) -> Path:
    try:
        java()
        return part.fetch()
    except parts.Missing as why:
        text = f"{part.name} is missing: {why}"
        if os.environ.get("CI") == "true" and not isinstance(why, parts.NoToolsError):
            pytest.fail(text)
        pytest.skip(text)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an Apache Spark with Iceberg."""
    home = _need(parts.SPARK, lambda: parts.java(17, 21))
    s3 = _need(parts.ICEBERG_AWS, lambda: None)
    with running.spark(_folder(tmp_path_factory), (home / "jars", s3)) as address:
        yield address


@pytest.fixture(scope="session")
def spark_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What that Spark says."""
    return _folder(tmp_path_factory) / "spark.log"


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.getbasetemp() / "spark"


@pytest.fixture(scope="session")
def trino(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a Trino."""
    home = _need(parts.TRINO, parts.trino_java)
    with running.trino(tmp_path_factory.mktemp("engines") / "trino", home) as port:
        yield port


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Broker]:
    """A Kafka broker (KRaft)."""
    home = _need(parts.KAFKA, lambda: parts.java(17, 99))
    with running.Broker(tmp_path_factory.mktemp("engines") / "kafka", home / "jars") as broker:
        yield broker


NAMESPACE_KEY = ("$ConnectionString", "Endpoint=sb://127.0.0.1/;SharedAccessKeyName=root;SharedAccessKey=k-canary=")
"""How an Event Hubs namespace on loopback is logged in to."""


@pytest.fixture(scope="session")
def event_hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Broker]:
    """A Kafka broker that asks for the login of Event Hubs' Kafka endpoint."""
    home = _need(parts.KAFKA, lambda: parts.java(17, 99))
    with running.Broker(tmp_path_factory.mktemp("engines") / "hubs", home / "jars", NAMESPACE_KEY) as broker:
        yield broker


@pytest.fixture(scope="session")
def pulsar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pulsarbroker.PulsarBroker]:
    """A Pulsar of one process."""
    home = _need(parts.PULSAR, lambda: parts.java(17, 24))
    with pulsarbroker.PulsarBroker(tmp_path_factory.mktemp("engines") / "pulsar", home / "jars") as broker:
        yield broker


@pytest.fixture(scope="session")
def s3_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.S3Store]:
    """An S3 of files (versitygw) in region us-east-1, with the interface of `support.s3.S3`."""
    home = _need(parts.VERSITYGW, parts.s3_tools)
    with running.s3_store(tmp_path_factory.mktemp("engines") / "s3", home / "versitygw") as store:
        yield store


@pytest.fixture(scope="session")
def s3_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.S3Store]:
    """Another one, in region eu-central-1: it refuses signatures for other regions."""
    home = _need(parts.VERSITYGW, parts.s3_tools)
    folder = tmp_path_factory.mktemp("engines") / "s3-eu"
    with running.s3_store(folder, home / "versitygw", region="eu-central-1") as store:
        yield store


@pytest.fixture(scope="session")
def login_provider_home() -> Path:
    """The login provider oidc-provider (certified for OpenID Connect), as npm installs it."""
    return _need(parts.OIDC_PROVIDER, parts.node)
