"""The tests of streams, with Apache Spark as the engine: one suite, the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.test_streams import (
    DEPOT,
    folder,  # noqa: F401 - the fixture of the tests below
    test_a_table_is_read_on_from_where_it_was,  # noqa: F401
    test_each_run_reads_what_is_new_and_only_that,  # noqa: F401
    test_rows_of_the_clock_come_once,  # noqa: F401
)
from engines import running
from engines.pulsarbroker import PulsarBroker
from support import streams
from support.server import Installation, installation

BUS = """name: bus
version: v2alpha
type: depot
depot:
  type: PULSAR
  pulsar: {{adminUrl: '{admin}', serviceUrl: '{service}', tenant: public}}
"""
TOPIC = "name: shop\nversion: v2alpha\ntype: depot\ndepot:\n  type: KAFKA\n  kafka: {{brokers: ['{address}']}}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, spark: str) -> Iterator[Installation]:
    env = {"DATAOS_FLARE__SPARK": spark, "DATAOS_FLARE__ENGINE": "spark"}
    with installation(tmp_path_factory.mktemp("streams"), env=env) as installed:
        (installed.work / "data").mkdir()
        installed.ok("apply", "-f", installed.write("depot.yaml", DEPOT.format(path=installed.work / "data")))
        yield installed


def test_messages_are_read_once(made: Installation, kafka: running.Broker) -> None:
    made.ok("apply", "-f", made.write("topics.yaml", TOPIC.format(address=kafka.address)))
    kafka.make("spark", 2)
    entry: dict[str, Any] = {"name": "clicks", "dataset": "dataos://shop:default/spark", "format": "kafkajson"}
    entry["options"] = {"startingOffsets": "earliest", "maxOffsetsPerTrigger": 8}
    sql = "SELECT CAST(CAST(value AS STRING) AS BIGINT) AS id, CAST(key AS STRING) AS sender, timestamp FROM clicks"
    job = ("spark-clicks", [entry], sql, [streams.table("spark_clicks")])
    kafka.send("spark", [str(i) for i in range(20)])
    done = streams.run(made, *job, streaming=streams.trigger())
    assert done["runtime"] == "succeeded", streams.log(made, "spark-clicks")
    assert "runs on Apache Spark at" in streams.log(made, "spark-clicks")
    kafka.send("spark", [str(i) for i in range(20, 25)])
    assert streams.rerun(made, "spark-clicks")["runtime"] == "succeeded"
    assert streams.ids(made, "spark_clicks") == list(range(25))


def test_messages_of_pulsar_are_read_once(made: Installation, pulsar: PulsarBroker) -> None:
    text = BUS.format(admin=pulsar.admin_url, service=pulsar.service_url)
    made.ok("apply", "-f", made.write("bus.yaml", text))
    entry: dict[str, Any] = {"name": "clicks", "dataset": "dataos://bus:default/spark"}
    entry["options"] = {"startingOffsets": "earliest"}
    sql = (
        "SELECT CAST(CAST(value AS STRING) AS BIGINT) AS id, __publishTime AS at, __messageProperties AS p FROM clicks"
    )
    job = ("spark-bus", [entry], sql, [streams.table("spark_bus")])
    pulsar.send("spark", [str(i) for i in range(20)], batch=7)
    done = streams.run(made, *job, streaming=streams.trigger())
    assert done["runtime"] == "succeeded", streams.log(made, "spark-bus")
    assert "runs on Apache Spark at" in streams.log(made, "spark-bus")
    pulsar.send("spark", [str(i) for i in range(20, 25)], batch=7)
    assert streams.rerun(made, "spark-bus")["runtime"] == "succeeded"
    assert streams.ids(made, "spark_bus") == list(range(25))
