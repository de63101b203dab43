"""A loopback port that leads to the server's unix socket: the sandbox has no network, the engine speaks TCP only."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time

from dataos.core.pumping import pump

_PATIENCE_S = 300.0


class Forwarder:
    """Listens on 127.0.0.1:<free port> while it is open; each connection gets one of its own to the socket."""

    def __init__(self, unix_socket: str) -> None:
        self._path = unix_socket
        forwarder = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                forwarder._pump(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Stop listening; open connections end with the process."""
        self._server.shutdown()
        self._server.server_close()

    def _pump(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as far:
            self._connect(far)
            pump(near, far)

    def _connect(self, far: socket.socket) -> None:
        """Connect, waiting for a server that is away: it stops, starts and finds its jobs again. Raises OSError."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                far.connect(self._path)
                return
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
