"""The Python SDK over HTTP: `connect()` gives a `Client`. Imports `core` and `manifest` only."""

from dataos.client.api import Client
from dataos.client.connections import Connection, find_connection

__all__ = ["Client", "Connection", "find_connection"]
