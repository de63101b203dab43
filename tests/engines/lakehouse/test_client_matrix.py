"""The tests of `integration/lakehouse/test_clients.py`, with Apache Spark and Trino among the clients."""

from integration.lakehouse.test_clients import (
    test_an_append_of_every_client_is_reapplied as test_an_append_of_every_client_is_reapplied,
)
from integration.lakehouse.test_clients import test_one_writes_all_read as test_one_writes_all_read
from integration.lakehouse.test_clients import (
    test_what_a_run_writes_is_held_from_every_client as test_what_a_run_writes_is_held_from_every_client,
)
