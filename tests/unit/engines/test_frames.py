"""Frames survive any way of being cut into chunks."""

from __future__ import annotations

import asyncio
import socket
import threading

from hypothesis import given
from hypothesis import strategies as st

from dataos.engines.duckdb import frames, macros

kinds = st.sampled_from([frames.SCHEMA, frames.ARROW, frames.FAILURE, frames.END])


async def read(body: bytes, cuts: list[int]) -> list[tuple[bytes, bytes]]:
    """All frames of a body that arrives in pieces of these lengths."""
    reader = asyncio.StreamReader(limit=16)

    async def arrive() -> None:
        start, i = 0, 0
        while start < len(body):
            end = start + cuts[i % len(cuts)]
            reader.feed_data(body[start:end])
            start, i = end, i + 1
            await asyncio.sleep(0)
        reader.feed_eof()

    arriving = asyncio.create_task(arrive())
    found: list[tuple[bytes, bytes]] = []
    while (frame := await frames.read(reader)) is not None:
        found.append(frame)
    await arriving
    return found


def receive(body: bytes, cuts: list[int]) -> list[tuple[bytes, bytes]]:
    """As `read`, by the engine's side of the socket."""
    here, there = socket.socketpair()

    def arrive() -> None:
        start, i = 0, 0
        with there:
            while start < len(body):
                end = start + cuts[i % len(cuts)]
                there.sendall(body[start:end])
                start, i = end, i + 1

    arriving = threading.Thread(target=arrive)
    arriving.start()
    found: list[tuple[bytes, bytes]] = []
    with here:
        while (frame := frames.receive(here)) is not None:
            found.append(frame)
    arriving.join()
    return found


@given(st.lists(st.tuples(kinds, st.binary(max_size=50)), max_size=8), st.lists(st.integers(1, 20), min_size=1))
def test_frames_come_out_as_they_went_in(sent: list[tuple[bytes, bytes]], cuts: list[int]):
    body = b"".join(frames.pack(kind, content) for kind, content in sent)
    assert asyncio.run(read(body, cuts)) == sent
    assert receive(body, cuts) == sent


def test_a_cut_body_gives_only_whole_frames():
    whole = frames.pack(frames.ARROW, b"abc")
    for rest in (b"", frames.pack(frames.END, b"{}")[:-1], frames.pack(frames.END, b"{}")[:3]):
        assert asyncio.run(read(whole + rest, [7])) == [(frames.ARROW, b"abc")]
        assert receive(whole + rest, [7]) == [(frames.ARROW, b"abc")]


def test_every_failing_macro_has_a_quiet_twin():
    assert macros.FAILING["dt_int_div"] == "dt_try_int_div"
    for statement in macros.ALL:
        if "dt_try_" in statement.partition("(")[0]:
            assert "error(" not in statement
