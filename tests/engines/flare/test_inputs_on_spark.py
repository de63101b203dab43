"""The tests of `integration/flare/test_inputs.py`, on Apache Spark."""

from integration.flare.test_inputs import *  # noqa: F403 - its tests and fixtures
