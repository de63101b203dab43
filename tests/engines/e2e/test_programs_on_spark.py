"""Python programs with PyFlare as jobs, with Apache Spark as the engine: one suite, the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.test_programs import (
    ORDERS_TABLE,
    log,
    run,
    shop,
    test_a_program_is_in_a_sandbox_and_has_the_token_of_its_run,  # noqa: F401
    test_a_program_that_fails_leaves_nothing,  # noqa: F401
    test_an_incremental_input_of_a_program_goes_on_where_the_last_run_ended,  # noqa: F401
    test_the_program_of_the_chapter_runs_in_a_workflow_unchanged,  # noqa: F401
)
from support.server import Installation


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, spark: str) -> Iterator[Installation]:
    env = {"DATAOS_FLARE__SPARK": spark, "DATAOS_FLARE__ENGINE": "spark"}
    with shop(tmp_path_factory.mktemp("programs"), env) as made:
        assert "runs on Apache Spark at" in log(made)
        yield made


def test_a_program_writes_tables_only(server: Installation) -> None:
    """Files are not where this Spark could put them: said before anything is written."""
    program = (
        "from pyflare.sdk import load, save, session_builder\nsession_builder.SparkSessionBuilder().build_session()\n"
        'save("dataos://landing:out/x", load("orders"), "csv")\n'
    )
    target = {"name": "x", "dataset": "dataos://landing:out/x", "format": "csv"}
    done = run(server, program, [ORDERS_TABLE], [target], "files")
    assert done.code != 0
    assert "Apache Spark" in done.err + log(server, "files")
