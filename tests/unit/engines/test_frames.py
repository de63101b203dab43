"""Frames survive any way of being cut into chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from dataos.engines.duckdb import frames, macros

kinds = st.sampled_from([frames.SCHEMA, frames.ARROW, frames.FAILURE, frames.END])


@given(st.lists(st.tuples(kinds, st.binary(max_size=50)), max_size=8), st.lists(st.integers(1, 20), min_size=1))
def test_frames_come_out_as_they_went_in(sent: list[tuple[bytes, bytes]], cuts: list[int]):
    body = b"".join(frames.pack(kind, content) for kind, content in sent)

    async def chunks() -> AsyncIterator[bytes]:
        start, i = 0, 0
        while start < len(body):
            end = start + cuts[i % len(cuts)]
            yield body[start:end]
            start, i = end, i + 1

    async def read() -> list[tuple[bytes, bytes]]:
        return [frame async for frame in frames.unpack(chunks())]

    assert asyncio.run(read()) == sent


def test_a_cut_body_gives_only_whole_frames():
    body = frames.pack(frames.ARROW, b"abc") + frames.pack(frames.END, b"{}")[:-1]

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    async def read() -> list[tuple[bytes, bytes]]:
        return [frame async for frame in frames.unpack(chunks())]

    assert asyncio.run(read()) == [(frames.ARROW, b"abc")]


def test_every_failing_macro_has_a_quiet_twin():
    assert macros.FAILING["dt_int_div"] == "dt_try_int_div"
    for statement in macros.ALL:
        if "dt_try_" in statement.partition("(")[0]:
            assert "error(" not in statement
