"""The tests of `integration/flare/test_step_functions.py`, on Apache Spark."""

from integration.flare.test_step_functions import *  # noqa: F403 - its tests and fixtures
