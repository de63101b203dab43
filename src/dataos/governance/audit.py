"""The audit: who asked for what, as whom, and how it was decided. Append-only; each row seals all rows before it.

A row's digest is an HMAC over the row and the digest before it, with a key of the installation: a row that was changed,
left out or put in is found by `verify`, also by whoever holds only a copy of the store and the keys. What asks often
(statements) is written in batches: the caller waits for the transaction that holds its row, not for one of its own.

Old rows may go (`trim`): whole from the start, only after they were found to be as they were written, and with a sealed
anchor that says which was the last one. A start that is missing otherwise is found.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from dataos.core import logs
from dataos.core.clock import Clock, rfc3339
from dataos.store import tables
from dataos.store.database import Store

_log = logs.get(__name__)
_a = tables.audit
_f = tables.facts
_FIRST = "the first row"
_ANCHOR = "audit.anchor"
_TRIMMED = "audit.trimmed"
_PAGE = 1000
_MOST_TRIMMED = 5000
"""Rows that go in one transaction."""
_INSERT = _a.insert()
_LAST = sa.select(_a.c.seq, _a.c.digest).order_by(_a.c.seq.desc()).limit(1)
_MOST_TEXT = 20_000


@dataclass(frozen=True)
class Entry:
    """One thing that was decided. `run_as`: on whose authority, where that is another; `data`: what else is to know."""

    actor: str
    action: str
    object: str
    allowed: bool
    policies: tuple[str, ...] = ()
    run_as: str = ""
    correlation: str = ""
    data: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Verdict:
    """What `verify` found. `broken`: the first row that is not as it was written; None: all are. `removed`: rows before
    these that went because they were old."""

    rows: int
    broken: int | None
    reason: str = ""
    removed: int = 0


@dataclass(frozen=True)
class _Anchor:
    """The row before the first one that is there: its number and digest. `broken`: its seal is not ours."""

    seq: int
    digest: str
    broken: bool = False


Beside = tuple[sa.Executable, Mapping[str, Any]]
"""A statement of SQL and its values."""


@dataclass(frozen=True)
class _Waiting:
    """A row to be written, what goes with it, and whom to tell."""

    entry: Entry
    beside: Beside | None
    done: asyncio.Future[None]


class Audit:
    """Writes and reads the audit of one installation."""

    def __init__(self, store: Store, clock: Clock, key: bytes) -> None:
        self._store = store
        self._clock = clock
        self._key = key
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    # --- writing ----------------------------------------------------------------------------------------------------

    def append(self, connection: sa.Connection, entries: Sequence[Entry]) -> None:
        """Write rows with the caller's transaction: what they tell of and they come true together."""
        last = connection.execute(_LAST).first()
        seq, before = (int(last.seq), str(last.digest)) if last is not None else (0, _FIRST)
        now = self._clock.now_us()
        written: list[dict[str, Any]] = []
        for entry in entries:
            seq += 1
            row = {**asdict(entry), "policies": list(entry.policies), "seq": seq, "at": now}
            row["object"] = entry.object[:_MOST_TEXT]
            before = row["digest"] = self._digest(before, row)
            written.append(row)
        connection.execute(_INSERT, written)

    async def write(self, entry: Entry, beside: Beside | None = None) -> None:
        """Write one row, together with others that wait, and in the same transaction what `beside` writes. Returns when
        it is in the store. Raises `store.*`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entry, beside, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        await asyncio.sleep(0)  # whoever asks in the same moment comes along
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._store.write_deferred(self._write_batch, batch)
            except Exception as error:  # noqa: BLE001 - each waiting caller gets it
                for waiting in batch:
                    if not waiting.done.done():
                        waiting.done.set_exception(error)
            else:
                for waiting in batch:
                    if not waiting.done.done():
                        waiting.done.set_result(None)

    def _write_batch(self, connection: sa.Connection, batch: Sequence[_Waiting]) -> None:
        self.append(connection, [waiting.entry for waiting in batch])
        for waiting in batch:
            if waiting.beside is not None:
                connection.execute(*waiting.beside)

    # --- reading ----------------------------------------------------------------------------------------------------

    async def listing(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        allowed: bool | None = None,
        object_: str | None = None,
        since: int | None = None,
        until: int | None = None,
        after: int = 0,
        before: int | None = None,
        limit: int = _PAGE,
    ) -> list[dict[str, Any]]:
        """Rows after a sequence number, oldest first; with `before` those before it, newest first.

        `action`: one, or with `*` at its end all that begin so. `object_`: a part of it, in any letter case. `since`
        and `until`: UTC microseconds, the first included."""
        wanted: list[sa.ColumnElement[bool]] = [_a.c.seq > after]
        if actor is not None:
            wanted.append(_a.c.actor == actor)
        if action is not None:
            start = action.removesuffix("*")
            wanted.append(_a.c.action == action if start == action else _a.c.action.startswith(start, autoescape=True))
        if allowed is not None:
            wanted.append(_a.c.allowed.is_(allowed))
        if object_ is not None:
            wanted.append(_a.c.object.icontains(object_, autoescape=True))
        if since is not None:
            wanted.append(_a.c.at >= since)
        if until is not None:
            wanted.append(_a.c.at < until)
        if before is not None:
            wanted.append(_a.c.seq < before)
        order = _a.c.seq if before is None else _a.c.seq.desc()

        def read(connection: sa.Connection) -> list[dict[str, Any]]:
            query = sa.select(_a).where(*wanted).order_by(order).limit(limit)
            return [_shown(row) for row in connection.execute(query)]

        return await self._store.read(read)

    async def verify(self) -> Verdict:
        """Is every row as it was written, and none missing?"""
        return await self._store.read(self.verify_in)

    def verify_in(self, connection: sa.Connection) -> Verdict:
        """As `verify`, in the caller's transaction."""
        return self._verify(connection, self._anchor(connection))

    def _verify(self, connection: sa.Connection, anchor: _Anchor, last: int | None = None) -> Verdict:
        """Rows after the anchor, up to `last`."""
        count, before, expected = 0, anchor.digest, anchor.seq + 1
        if anchor.broken:
            return Verdict(0, 1, "the note of which rows were removed is not as it was written")
        for row in _rows(connection, last):
            if row["seq"] != expected:
                return Verdict(count, expected, f"row {expected} is missing", anchor.seq)
            if self._digest(before, row) != row["digest"]:
                reason = f"row {expected} is not as it was written, or one before it is not"
                return Verdict(count, expected, reason, anchor.seq)
            count, before, expected = count + 1, str(row["digest"]), expected + 1
        if anchor.seq and not count:
            return Verdict(0, expected, f"row {expected} is missing", anchor.seq)
        return Verdict(count, None, removed=anchor.seq)

    # --- retention --------------------------------------------------------------------------------------------------

    async def trim(self, older_s: float) -> int:
        """Remove rows that are older than that, as far as they are as they were written. Returns how many. The newest
        row stays."""
        before, removed = self._clock.now_us() - int(older_s * 1e6), 0
        while gone := await self._store.write(self._trim, before):
            removed += gone
        return removed

    def _trim(self, connection: sa.Connection, before: int) -> int:
        anchor = self._anchor(connection)
        newest = connection.execute(sa.select(sa.func.max(_a.c.seq))).scalar() or 0
        young = connection.execute(sa.select(sa.func.min(_a.c.seq)).where(_a.c.at >= before)).scalar() or newest
        last = min(young - 1, newest - 1, anchor.seq + _MOST_TRIMMED)
        if last <= anchor.seq:
            return 0
        found = self._verify(connection, anchor, last)
        if found.broken is not None:
            _log.error("audit_not_trimmed", row=found.broken, reason=found.reason)
            return 0
        digest = str(connection.execute(sa.select(_a.c.digest).where(_a.c.seq == last)).scalar_one())
        connection.execute(_a.delete().where(_a.c.seq <= last))
        connection.execute(_f.delete().where(_f.c.key == _ANCHOR))
        connection.execute(_f.insert().values(key=_ANCHOR, value=f"{last} {digest} {self._seal(last, digest)}"))
        self.append(connection, [Entry("dataos", _TRIMMED, "audit", True, data={"up_to": last, "rows": found.rows})])
        return found.rows

    def _anchor(self, connection: sa.Connection) -> _Anchor:
        kept = connection.execute(sa.select(_f.c.value).where(_f.c.key == _ANCHOR)).scalar()
        if kept is None:
            return _Anchor(0, _FIRST)
        number, _, rest = str(kept).partition(" ")
        digest, _, seal = rest.partition(" ")
        seq = int(number) if number.isdecimal() else 0
        return _Anchor(seq, digest, broken=not hmac.compare_digest(seal.encode(), self._seal(seq, digest).encode()))

    def _seal(self, seq: int, digest: str) -> str:
        return hmac.new(self._key, f"{_ANCHOR}\n{seq}\n{digest}".encode(), hashlib.sha256).hexdigest()

    def _digest(self, before: str, row: dict[str, Any]) -> str:
        said = {key: row[key] for key in _SAID}
        text = before + "\n" + json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


_SAID = ("seq", "at", "actor", "run_as", "action", "object", "allowed", "policies", "correlation", "data")


def _rows(connection: sa.Connection, last: int | None) -> Iterator[dict[str, Any]]:
    after = 0
    query = sa.select(_a).order_by(_a.c.seq).limit(_PAGE)
    query = query if last is None else query.where(_a.c.seq <= last)
    while True:
        rows = connection.execute(query.where(_a.c.seq > after)).all()
        for row in rows:
            yield {key: getattr(row, key) for key in (*_SAID, "digest")}
        if len(rows) < _PAGE:
            return
        after = rows[-1].seq


def _shown(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": rfc3339(row.at),
        "actor": row.actor,
        "run_as": row.run_as,
        "action": row.action,
        "object": row.object,
        "allowed": row.allowed,
        "policies": row.policies,
        "correlation": row.correlation,
        "data": row.data,
        "digest": row.digest,
    }
