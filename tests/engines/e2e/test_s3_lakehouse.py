"""A Lakehouse in a bucket of a real S3 store: the tests of `e2e/test_bucket_lakehouse.py`."""

from __future__ import annotations

import pytest

from e2e.test_bucket_lakehouse import server as server
from engines import running


@pytest.fixture(scope="module")
def store(s3_elsewhere: running.S3Store) -> running.S3Store:
    s3_elsewhere.bucket("retail-tables")
    return s3_elsewhere
