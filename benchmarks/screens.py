"""The web app in a browser: first paint, search in many products, a grid of a million rows, what its calls take, and
what many open pages cost the server."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
from playwright.sync_api import Browser, Page

from benchmarks.scale import timed_ms
from benchmarks.setting import Figure, fresh, memory_mb, percentile
from support import browser as web
from support.server import Installation

PRODUCTS = 2000
STREAMS = 20
PAINTED = """() => new Promise(done => new PerformanceObserver(list => done(list.getEntries().at(-1).startTime))
                                         .observe({type: "paint", buffered: true}))"""
FRAMES = """async (element) => {
  const frames = []; let last = performance.now();
  for (let i = 1; i <= 120; i++) {
    element.scrollTop = element.scrollHeight * i / 120;
    await new Promise(requestAnimationFrame);
    const now = performance.now(); frames.push(now - last); last = now;
  }
  return frames;
}"""
ONE = "/api/v1/products/data/v1beta/many-0007"
CALLS = {
    "Home": ["/api/v1/me", "/api/v1/me/recent", "/api/v1/me/inbox"],
    "Hub": ["/api/v1/products?limit=100", "/api/v1/products/facets"],
    "a product": [f"{ONE}/page", f"{ONE}/datasets?side=output", f"{ONE}/graph", f"{ONE}/health"],
    "Workbench": ["/api/v1/queries?limit=50", "/api/v1/benches"],
    "Resources": ["/api/v1/resources?limit=500"],
    "statements": ["/api/v1/queries?limit=100"],
    "events": ["/api/v1/events?limit=100"],
    "users": ["/api/v1/users"],
    "grants": ["/api/v1/grants"],
    "audit": ["/api/v1/audit?limit=100"],
}  # fmt: skip


def product(number: int) -> dict[str, Any]:
    """A product of one of forty use cases."""
    output = {"refType": "dataos", "ref": f"dataset:lakehouse:many:t{number}"}
    data = {"resource": {"refType": "dataos", "ref": "bundle:v1beta:many"}, "inputs": [], "outputs": [output]}
    return {
        "name": f"many-{number:04}",
        "version": "v1beta",
        "type": "data",
        "tags": [f"DPUsecase.Case {number % 40:02}", f"DPDomain.Domain {number % 7}"],
        "description": f"The {number}th of many.",
        "v1beta": {"data": data},
    }


def bench_screens() -> list[Figure]:
    """In Chromium, signed in as the administrator; 2,000 products, a result of a million rows, 20 open pages."""
    if web.installed() is None:
        return [Figure("screens", "-", "-", f"needs {web.WHY}")]
    with fresh() as made, web.chromium() as chromium:
        state = web.kept(chromium, made, "admin")
        found = _paints(chromium, made, state)
        client = made.client()
        for start in range(0, PRODUCTS, 500):
            documents = [{"document": product(n)} for n in range(start, start + 500)]
            client.json("POST", "/api/v1/apply-set", body={"documents": documents}, timeout_s=600)
        return [*found, *_hub(chromium, made, state), *_grid(chromium, made, state), *_calls(made), *_streams(made)]


def _page(chromium: Browser, made: Installation, state: str) -> Page:
    return web.context(chromium, made, storage_state=state).new_page()


def _paints(chromium: Browser, made: Installation, state: str) -> list[Figure]:
    """Each in a browser without anything kept, then once more with it."""
    paints: dict[str, list[float]] = {"first": [], "again": []}
    usable: list[float] = []
    for _ in range(7):
        page = _page(chromium, made, state)
        for kind in ("first", "again"):
            started = time.perf_counter()
            page.goto("/")
            page.get_by_role("heading", level=1, name="Welcome").wait_for()
            if kind == "first":
                usable.append((time.perf_counter() - started) * 1000)
            paints[kind].append(float(page.evaluate(PAINTED)))
        page.context.close()
    return [
        Figure("first paint of Home, nothing kept, median", f"{percentile(paints['first'], 0.5):.0f} ms", "< 1 s"),
        Figure("first paint of Home, again", f"{percentile(paints['again'], 0.5):.0f} ms", "< 1 s"),
        Figure("Home can be used, nothing kept", f"{percentile(usable, 0.5):.0f} ms", "-"),
    ]


def _hub(chromium: Browser, made: Installation, state: str) -> list[Figure]:
    page = _page(chromium, made, state)
    listed = timed_ms(lambda: (page.goto("/products"), page.get_by_text(f"{PRODUCTS} products").wait_for()))
    search: list[float] = []
    for number in range(3, PRODUCTS, 133):
        page.goto("/products?group=none")
        page.get_by_text(f"{PRODUCTS} products").wait_for()
        page.keyboard.press("/")
        name = f"many-{number:04}"
        only = page.get_by_text("1 product matches")
        search.append(timed_ms(lambda name=name, only=only: (page.keyboard.insert_text(name), only.wait_for())))
    page.context.close()
    return [
        Figure(f"Hub with {PRODUCTS:,} products, until they are counted and grouped", f"{listed:.0f} ms", "-"),
        Figure("search in them, from the last letter to the answer, p95", f"{percentile(search, 0.95):.0f} ms", "-"),
    ]  # fmt: skip


def _grid(chromium: Browser, made: Installation, state: str) -> list[Figure]:
    page = _page(chromium, made, state)
    sql = "SELECT a.n * 1000 %2B b.n AS n, a.n AS x FROM UNNEST(SEQUENCE(0, 999)) a (n), UNNEST(SEQUENCE(0, 999)) b (n)"
    page.goto(f"/workbench?sql={sql}")
    run = page.get_by_role("button", name="Run", exact=True)
    first = page.get_by_role("grid", name="Rows").get_by_role("gridcell").first
    shown = timed_ms(lambda: (run.click(), first.wait_for(timeout=120_000)))
    frames = [float(f) for f in page.get_by_role("grid", name="Rows").evaluate(FRAMES)]
    page.context.close()
    return [
        Figure("1 M rows, from Run to the first of them", f"{shown:.0f} ms", "-"),
        Figure("scrolled from end to end: frames, p95", f"{percentile(frames, 0.95):.0f} ms", "-",
               f"longest {max(frames):.0f} ms; without a screen card"),
    ]  # fmt: skip


def _as_admin(made: Installation) -> httpx.Client:
    token = (made.home / "keys" / "admin.token").read_text().strip()
    return httpx.Client(base_url=made.url, headers={"Authorization": f"Bearer {token}"}, timeout=600)


def _calls(made: Installation) -> list[Figure]:
    found: list[Figure] = []
    with _as_admin(made) as client:
        for screen, paths in CALLS.items():
            taken: list[float] = []
            for path in paths:
                client.get(path).raise_for_status()
                for _ in range(100):
                    taken.append(timed_ms(lambda path=path: client.get(path).raise_for_status()))
            budget = "< 300 ms" if screen == "Hub" else "-"  # of 1,000 products (ch09 6)
            found.append(Figure(f"calls of {screen}, p99", f"{percentile(taken, 0.99):.0f} ms", budget,
                                f"median {percentile(taken, 0.5):.0f} ms"))  # fmt: skip
    return found


def _streams(made: Installation) -> list[Figure]:
    """Streams of events as that many browsers hold them, while Resources change."""
    before = memory_mb([made.pid])
    heard = [0] * STREAMS
    ended = threading.Event()

    def listen(number: int) -> None:
        with _as_admin(made) as client, client.stream("GET", "/api/v1/stream") as stream:
            for line in stream.iter_lines():
                heard[number] += line.startswith("data:")
                if ended.is_set():
                    return

    threads = [threading.Thread(target=listen, args=(n,), daemon=True) for n in range(STREAMS)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    client = made.client()
    for number in range(200):
        body = {"type": "key-value", "acl": "r", "data": {"a": str(number)}}
        client.apply({"name": f"heard-{number}", "version": "v1", "type": "secret", "secret": body})
    time.sleep(2)
    after = memory_mb([made.pid])
    ended.set()
    note = f"{min(heard)} to {max(heard)} events heard by each while 200 Resources were applied"
    return [Figure(f"server with {STREAMS} open pages", f"{after:.0f} MB", "-", f"{before:.0f} MB without; {note}")]


BENCHES = {"screens": bench_screens}
