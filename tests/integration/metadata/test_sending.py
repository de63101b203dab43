"""Events to a receiver: a real HTTP server that takes them, refuses them, or is not there."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dataos.core.errors import DataOSError
from dataos.core.secrecy import Secret
from dataos.metadata.recording import SEND_UNIT
from dataos.metadata.sending import Sender, check_url
from dataos.store import tables, work
from integration.metadata.runs import Room, is_workflow, room

CSV, RAW = "dataos://files:raw/orders.csv", "dataos://lake:shop/orders"
TOKEN = "receiver-token-canary"


class Receiver:
    """Takes events; `answers` are the statuses of the next calls, 200 afterwards."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.answers.pop(0) if outer.answers else 200
                outer.tokens.add(self.headers.get("Authorization"))
                if status < 300:
                    outer.taken.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if 300 <= status < 400:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v1/lineage"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def told(self) -> list[str]:
        """Events of jobs, without those of the Workflows around them."""
        return [f"{e['job']['name']} {e['eventType']}" for e in self.taken if not is_workflow(e)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def sending(tmp_path: Path, database: object) -> Iterator[Room]:
    with room(tmp_path, sends=True) as made:
        yield made


class Watch:
    """A clock for waiting that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def sender(sending: Room, url: str, watch: Watch | None = None, **more: Any) -> Sender:
    options = {"timeout_s": 5.0, "keep_s": 3600.0, "monotonic": watch or Watch(), **more}
    return Sender(sending.store, sending.clock, url, Secret(TOKEN), **options)


def look(sending: Room, made: Sender) -> float | None:
    """One look as the loop takes it: with a lease."""
    now = sending.clock.now_us()

    def claim(connection: sa.Connection) -> Any:
        work.wake(connection, SEND_UNIT, now)
        return work.claim(connection, "me", now, 60_000_000, 10)[0]

    lease = sending.store.write_sync(claim)
    again = asyncio.run(made.send(lease))
    sending.store.write_sync(work.finish, lease, now, again, "")
    return again


def pending(sending: Room) -> int:
    e = tables.lineage_events
    query = sa.select(sa.func.count()).select_from(e).where(e.c.pending.is_(True))
    return sending.store.read_sync(lambda c: c.execute(query).scalar_one())


def test_events_arrive_in_order_and_once(sending: Room, receiver: Receiver) -> None:
    sending.run("a", "j", {"i": CSV}, {"o": RAW})
    sending.run("b", "j", {"i": RAW}, {}, type_="FAIL")
    due = sending.store.read_sync(lambda c: c.execute(sa.select(tables.work.c.unit)).scalars().all())
    assert due == [SEND_UNIT]  # the very transaction that wrote the event woke the sender
    made = sender(sending, receiver.url)
    assert look(sending, made) == pytest.approx(0.001)
    assert look(sending, made) is None
    assert receiver.told == ["public.a.j START", "public.a.j COMPLETE", "public.b.j START", "public.b.j FAIL"]
    assert receiver.tokens == {f"Bearer {TOKEN}"}
    assert pending(sending) == 0


def test_a_receiver_that_fails_gets_them_later_in_order(sending: Room, receiver: Receiver) -> None:
    """No event overtakes one that was not taken; waits grow, and are kept though other events wake the sender."""
    sending.run("a", "j", {"i": CSV}, {"o": RAW})
    watch = Watch()
    made = sender(sending, receiver.url, watch)
    receiver.answers = [200, 200, 503]
    assert look(sending, made) == 1.0
    assert receiver.told == ["public.a.j START"]
    sending.run("b", "j", {}, {})
    assert look(sending, made) == 1.0  # woken early: it does not try again yet
    assert len(receiver.taken) == 2
    watch.now = 1.5
    receiver.answers = [429]
    assert look(sending, made) == 2.0
    watch.now = 4.0
    look(sending, made)
    assert receiver.told == ["public.a.j START", "public.a.j COMPLETE", "public.b.j START", "public.b.j COMPLETE"]


def test_a_receiver_that_is_not_there_holds_nothing_up(sending: Room) -> None:
    made = sender(sending, "http://127.0.0.1:1/api/v1/lineage")
    sending.run("a", "j", {"i": CSV}, {"o": RAW})  # recording does not know of it
    assert look(sending, made) == 1.0
    assert pending(sending) == 3


def test_an_event_that_is_refused_for_good_is_given_up(sending: Room, receiver: Receiver) -> None:
    sending.run("a", "j", {"i": CSV}, {"o": RAW})
    receiver.answers = [200, 422]
    look(sending, sender(sending, receiver.url))
    assert receiver.told == ["public.a.j COMPLETE"]
    assert pending(sending) == 0


def test_a_redirect_gets_no_token(sending: Room, receiver: Receiver) -> None:
    sending.run("a", "j", {}, {})
    receiver.answers = [307]
    assert look(sending, sender(sending, receiver.url)) == 1.0
    assert pending(sending) == 3


def test_events_wait_for_a_bounded_time(sending: Room, receiver: Receiver) -> None:
    sending.run("a", "j", {}, {})
    sending.clock.advance(4000)
    sending.run("b", "j", {}, {})
    look(sending, sender(sending, receiver.url, keep_s=3600.0))
    assert receiver.told == ["public.b.j START", "public.b.j COMPLETE"]


def test_a_sender_whose_lease_is_gone_writes_nothing(sending: Room, receiver: Receiver) -> None:
    sending.run("a", "j", {}, {})
    now = sending.clock.now_us()
    lease = sending.store.write_sync(lambda c: work.claim(c, "me", now, 1, 10)[0])
    sending.store.write_sync(lambda c: work.claim(c, "other", now + 10, 60_000_000, 10))
    with pytest.raises(work.StaleLease):
        asyncio.run(sender(sending, receiver.url).send(lease))
    assert pending(sending) == 3  # the other one sends them again: at least once


@pytest.mark.parametrize("url", ["marquez:5000", "ftp://x/y", "http://user:pw@host/x", "https://"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(DataOSError) as failure:
        check_url(url)
    assert failure.value.problem.code == "settings.invalid"
    assert "pw" not in str(failure.value)
