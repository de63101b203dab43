"""The tests of `integration/flare/test_udfs.py`, on Apache Spark."""

from integration.flare.test_udfs import *  # noqa: F403 - its tests and fixtures
