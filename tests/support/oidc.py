"""A real login provider in a process of its own, and a browser that is good enough for its pages."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from support.ports import free_port

BROWSER = """
import sys
import httpx

with httpx.Client(follow_redirects=True, trust_env=False) as browser:
    page = browser.get(sys.argv[1])
    browser.post(page.url, data={data!r})
"""


@dataclass
class LoginProvider:
    """Where it is; people are made by `person`."""

    issuer: str

    def person(self, subject: str, **claims: Any) -> None:
        """What it says of somebody from now on."""
        httpx.put(f"{self.issuer}/users/{subject}", json=claims, trust_env=False).raise_for_status()


@contextmanager
def provider(folder: Path) -> Iterator[LoginProvider]:
    """The provider of the package oidc-provider-mock: a server of OpenID Connect with a form instead of passwords."""
    port = free_port()
    argv = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-p", str(port), "-n"]
    with (folder / "provider.log").open("w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/.well-known/openid-configuration", process)
        found = httpx.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration", trust_env=False).json()
        yield LoginProvider(found["issuer"])
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url: str, process: subprocess.Popen[Any], within_s: float = 30) -> None:
    """Until it answers. Fails if the process ends before."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        assert process.poll() is None, "the login provider ended"
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError("the login provider did not come up")


def browser_of(folder: Path, **data: str) -> dict[str, str]:
    """The environment in which a program finds a browser whose person fills in the provider's form like that."""
    script = folder / f"browser-{len(list(folder.glob('browser-*')))}.py"
    script.write_text(BROWSER.format(data=data))
    return {"BROWSER": f"{sys.executable} {script} %s", "PATH": os.environ["PATH"]}


class _Forms(HTMLParser):
    """The first form of a page: where it goes, its hidden fields, its first button."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        if tag == "form" and self.action is None:
            self.action, self._open = found.get("action", ""), True
        elif self._open and tag in ("input", "button") and found.get("name"):
            self.fields[found["name"]] = found.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "form"


def walk(browser: httpx.Client, url: str, **typed: str) -> httpx.Response:
    """Follow a login's pages as a person would: fill in each form, agree, until one has no form or redirects away from
    the provider. Returns the last answer."""
    host = urlsplit(url).netloc
    answer = browser.get(url)
    for _ in range(20):
        if answer.is_redirect:
            target = urljoin(str(answer.request.url), answer.headers["location"])
            if urlsplit(target).netloc != host:
                return answer
            answer = browser.get(target)
            continue
        form = _Forms(answer.text)
        if form.action is None:
            return answer
        data = {**form.fields, **{key: value for key, value in typed.items() if key in form.fields}}
        answer = browser.post(urljoin(str(answer.request.url), form.action), data=data)
    raise AssertionError(f"no end of forms: {answer.text[:500]}")
