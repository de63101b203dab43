"""The socket of the server."""

from __future__ import annotations

import asyncio
import socket

from dataos.server import main


def test_answers_do_not_wait_for_the_client_to_acknowledge_their_head():
    """With Nagle's algorithm on, an answer in two packets takes 40 ms more."""

    async def scenario() -> int:
        seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = main._listen("127.0.0.1", 0)
        async with await asyncio.start_server(serve, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            found = await asyncio.wait_for(seen, 5)
            writer.close()
        return found

    assert asyncio.run(scenario()) == 1
