"""Topics with a schema registry, with Apache Spark as the engine: one suite, the same rows."""

from __future__ import annotations

import pytest

from e2e.test_schema_registries import (  # noqa: F401
    brokers,
    made,
    producer,
    registry,
    test_a_message_that_cannot_be_read_fails_the_job,
    test_a_schema_that_names_another,
    test_a_stream_goes_on_and_messages_that_are_none_are_left_out,
    test_messages_of_several_schemas_are_read_by_the_newest,
)


@pytest.fixture(scope="module")
def environment(spark: str) -> dict[str, str]:
    return {"DATAOS_FLARE__SPARK": spark, "DATAOS_FLARE__ENGINE": "spark"}
