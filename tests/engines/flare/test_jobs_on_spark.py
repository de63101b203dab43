"""The tests of `integration/flare/test_jobs.py`, on Apache Spark."""

from integration.flare.test_jobs import *  # noqa: F403 - its tests and fixtures
