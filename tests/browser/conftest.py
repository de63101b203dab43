"""A real server and the system's Chromium. Without Chromium these are left out; CI has it (tests/conftest.py)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support import browser as web
from support.browser import Watched
from support.server import Installation, installation

expect.set_options(timeout=30_000)
"""A page is waited for as long as its calls are; what never comes is known by then."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On CI what fails here has a second try, and the summary names it: a browser on a machine that is full may lose a
    click. Locally it fails."""
    if os.environ.get("CI"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ended with its file: as long as it is there, an event loop runs in this thread, and other tests begin their own."""
    if web.installed() is None:
        pytest.skip(f"needs {web.WHY}")
    with web.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("browser")) as made:
        made.ok("user", "create", "-t", "person", "-u", "ida", "-n", "Ida Lund", "--tags", "roles:id:data-dev")
        yield made


@pytest.fixture(params=["light", "dark"])
def scheme(request) -> str:
    return request.param


@pytest.fixture
def stranger(chromium, server, scheme) -> Iterator[Watched]:
    """A page of a browser that is not signed in."""
    context = web.context(chromium, server, scheme)
    yield Watched(context.new_page())
    context.close()


@pytest.fixture(scope="module")
def kept(chromium, server) -> str:
    """The state of a browser in which the administrator signed in, as a file."""
    return web.kept(chromium, server, "admin")


@pytest.fixture
def signed_in(chromium, server, kept) -> Iterator[Watched]:
    """A page on which the administrator is signed in."""
    context = web.context(chromium, server, storage_state=kept, permissions=["clipboard-read", "clipboard-write"])
    yield Watched(context.new_page())
    context.close()


@pytest.fixture
def themed(chromium, server, kept, scheme) -> Iterator[Watched]:
    """The same, in each theme."""
    context = web.context(chromium, server, scheme, storage_state=kept)
    yield Watched(context.new_page())
    context.close()
