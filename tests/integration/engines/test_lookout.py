"""Whoever goes away amid a statement is noticed, also after many came and went at the same time."""

from __future__ import annotations

import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from dataos.engines.duckdb.process import _Lookout
from support.patience import FACTOR


def seen_to_go(lookout: _Lookout) -> bool:
    here, there = socket.socketpair()
    gone = threading.Event()
    with here, lookout.over(here, gone.set):
        there.close()
        return gone.wait(5 * FACTOR)


def test_a_closed_connection_is_noticed_while_its_statement_runs():
    assert seen_to_go(_Lookout())


def test_one_that_ended_by_itself_is_not():
    lookout, gone = _Lookout(), threading.Event()
    here, there = socket.socketpair()
    with here, there:
        with lookout.over(here, gone.set):
            pass
        there.send(b"the next request")
        assert not gone.wait(0.1)


def test_it_goes_on_looking_whoever_comes_first():
    """Statements end in the moment in which their connection closes: either thread may be first to say so."""
    lookout = _Lookout()

    def come_and_go(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(300):
            here, there = socket.socketpair()
            with lookout.over(here, lambda: None):
                if draw.random() < 0.7:
                    there.close()
            here.close()
            there.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))
    assert seen_to_go(lookout)
