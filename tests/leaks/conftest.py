"""One laboratory for all tests of the suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from leaks.run import Runner


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    made = Runner()
    yield made
    made.close()
