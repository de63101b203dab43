"""A Lakehouse in a bucket of a real S3 store: tests of `e2e/test_bucket_lakehouse.py`."""

from __future__ import annotations

import pytest

from e2e.test_bucket_lakehouse import server as server
from e2e.test_bucket_lakehouse import (
    test_jobs_write_and_merge_queries_read_and_maintenance_cares as test_jobs_write_and_merge_queries_read_and_maintenance_cares,
)
from e2e.test_bucket_lakehouse import (
    test_keys_of_the_bucket_stay_in_the_server as test_keys_of_the_bucket_stay_in_the_server,
)
from engines import running


@pytest.fixture(scope="module")
def store(s3_elsewhere: running.S3Store) -> running.S3Store:
    s3_elsewhere.bucket("retail-tables")
    return s3_elsewhere
