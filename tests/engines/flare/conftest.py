"""The tests of Flare's jobs, on Apache Spark: the modules here take the tests of `tests/integration/flare`.

What does not hold on Spark is listed with its reason: `DIFFERENT` must fail there (else the list is out of date),
`NOT_HERE` is about the embedded engine or its process only.
"""

from __future__ import annotations

import pytest

from integration.flare.conftest import jobs as jobs
from integration.flare.conftest import server as server

DIFFERENT = {
    "test_errors_carry_their_place[SELECT id + 1 AS n, n + 1 AS m": "Spark knows an alias in the SELECT that makes it",
    "test_errors_while_computing_name_the_step[SELECT id + 1 + amount": "Spark casts the text, and fails at its value",
    "test_errors_while_computing_name_the_step[SELECT 2147483647": "Spark's message does not tell the value",
    "test_errors_while_computing_name_the_step[SELECT a * b AS n": "Spark's message does not tell the value",
    "test_an_engine_panic_does_not_hang": "Spark explodes a map",
    "test_text_that_is_read_often_is_kept_once": "Spark keeps it in its own storage",
}
NOT_HERE = {
    "test_no_server": "Spark asks the catalog first, and waits long",
    "test_the_server_is_reached_through_a_unix_socket": "about the process of the job",
    "test_a_job_file_of_another_version": "about the process of the job",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marks, table in ((pytest.mark.skip, NOT_HERE), (None, DIFFERENT)):
            reason = next((why for name, why in table.items() if item.name.startswith(name)), None)
            if reason is None:
                continue
            item.add_marker(marks(reason=reason) if marks else pytest.mark.xfail(strict=True, reason=reason))


@pytest.fixture(scope="session")
def spark_address(spark: str) -> str:
    """All jobs of these tests run on it."""
    return spark
