"""The tests of `integration/flare/test_outputs.py`, on Apache Spark."""

from integration.flare.test_outputs import *  # noqa: F403 - its tests and fixtures
