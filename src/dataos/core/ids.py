"""Identifiers: NewTypes and the one source that makes them (passed in, so that tests can replay)."""

from __future__ import annotations

import random
import secrets
import uuid
from typing import NewType, Protocol

Uid = NewType("Uid", str)  # identity of one incarnation of a Resource (uuid)
RunId = NewType("RunId", str)  # 12 base-36 characters (ch01 4.2)
AttemptId = NewType("AttemptId", str)  # `<run id>-<job>-<number>`, safe as a folder name
UserId = NewType("UserId", str)

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


class Ids(Protocol):
    """Where fresh identifiers come from."""

    def uid(self) -> Uid: ...

    def run_id(self) -> RunId: ...

    def stamp(self) -> str: ...

    def token(self) -> str: ...


class RandomIds:
    """Identifiers from the system's entropy."""

    def uid(self) -> Uid:
        return Uid(str(uuid.uuid4()))

    def run_id(self) -> RunId:
        return RunId("".join(secrets.choice(_BASE36) for _ in range(12)))

    def stamp(self) -> str:
        """`-` and four base-36 characters (ch01 3.2)."""
        return "-" + "".join(secrets.choice(_BASE36) for _ in range(4))

    def token(self) -> str:
        """256 random bits, URL-safe."""
        return secrets.token_urlsafe(32)


class SeededIds:
    """Identifiers that replay from a seed (tests, simulation). Never for credentials in a real server."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - replayable on purpose

    def uid(self) -> Uid:
        return Uid(str(uuid.UUID(int=self._random.getrandbits(128), version=4)))

    def run_id(self) -> RunId:
        return RunId("".join(self._random.choice(_BASE36) for _ in range(12)))

    def stamp(self) -> str:
        return "-" + "".join(self._random.choice(_BASE36) for _ in range(4))

    def token(self) -> str:
        return f"{self._random.getrandbits(256):064x}"


def batch_mark(stream: str, batch: int, output: int) -> str:
    """What names the delivery of one output of one batch of a stream, however often that is made."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"dataos:{stream}/{batch}/{output}"))
