"""Tables in buckets of a real S3 store, without a catalog: Delta and Iceberg."""

from __future__ import annotations

import pytest

from e2e.test_folder_tables import server as server
from e2e.test_folder_tables import test_a_table_is_written_appended_to_read_and_queried as folder_tables
from engines import running
from support.server import Installation

_written = folder_tables
del folder_tables


@pytest.fixture(scope="module")
def store(s3_store: running.S3Store) -> running.S3Store:
    s3_store.bucket("shop")
    return s3_store


@pytest.mark.parametrize("depot", ["storedelta", "storeiceberg"])
def test_a_table_is_written_appended_to_read_and_queried(server: Installation, depot: str) -> None:
    _written(server, depot)
