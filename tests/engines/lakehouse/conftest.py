"""The client matrix with Apache Spark and Trino: what they write all read, and they read what all write."""

from __future__ import annotations

import pytest

from engines.lakehouse import matrix
from integration.lakehouse.conftest import authorise as authorise
from integration.lakehouse.conftest import buckets as buckets
from integration.lakehouse.conftest import catalog as catalog
from integration.lakehouse.conftest import endpoints as endpoints
from integration.lakehouse.conftest import object_store as object_store
from integration.lakehouse.conftest import place as place
from integration.lakehouse.conftest import root as root
from integration.lakehouse.conftest import server as server
from integration.lakehouse.conftest import store as store
from integration.lakehouse.engines import Clients, embedded


@pytest.fixture
def clients(spark: str, trino: int) -> Clients:
    """All five."""
    found = embedded()
    found["spark"] = lambda server, token: matrix.spark(spark, server, token)
    found["trino"] = lambda server, token: matrix.trino(trino, server, token)
    return Clients(found)


@pytest.fixture(params=["spark", "trino"])
def writer(request: pytest.FixtureRequest) -> str:
    """The clients that write here; the others write in integration/lakehouse, and are read here too."""
    return request.param
