"""The tests of `integration/flare/test_incremental.py`, on Apache Spark."""

from integration.flare.test_incremental import *  # noqa: F403 - its tests and fixtures
