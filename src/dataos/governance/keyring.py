"""The keys of an installation: the master key in a file, everything else sealed by it in the store.

The master key wraps the data keys of the vault, and the keys that tokens and manifests are digested with. Digests must
stay when the master key is rotated (nobody could compute them anew), so their keys are derived from the installation's
first master key and then kept as a fact, sealed. Rotation wraps all of them again in one transaction, and the store
says by a mark which master key counts. Each use looks at that mark in its own transaction: no server seals with a key
that has just been replaced.

Where a server finds the new key: `master.key`, `master.key.next` (a rotation that was cut off here), or sealed under
the old key in the store, for the other servers, until all of them took it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataos.core import durable
from dataos.core.errors import fail
from dataos.core.ids import AttemptId
from dataos.store import tables

FILE, NEXT = "master.key", "master.key.next"
MARK_FACT, DERIVED_FACT, HANDOVER_FACT = "master-key", "digest-keys", "master-key-handover"
FACTS = (MARK_FACT, DERIVED_FACT, HANDOVER_FACT)
"""What a store says about keys. Without the master key none of it means anything."""

_BYTES = 32
_NONCE = 12
_KEPT_ATTEMPT_KEYS = 3
_f = tables.facts
_FACT = sa.select(_f.c.value).where(_f.c.key == sa.bindparam("of_key"))


def mark(master_key: bytes) -> str:
    """By what a store knows its master key; tells nothing about it."""
    return hmac.new(master_key, b"dataos master key", hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Keys:
    """One master key and what is sealed under it. `attempts`: keys of attempts' tokens, the newest first."""

    mark: str
    master_key: bytes
    manifests: bytes
    tokens: bytes
    attempts: tuple[bytes, ...]

    @property
    def master(self) -> AESGCM:
        """The cipher that wraps data keys."""
        return AESGCM(self.master_key)

    @property
    def masks(self) -> bytes:
        """The key of keyed hash masks: the same for good, so that digests of a value stay equal."""
        return hmac.new(self.manifests, b"keyed masks", hashlib.sha256).digest()

    @property
    def audit(self) -> bytes:
        """The key of the audit's seals: the same for good, so that old rows can be verified."""
        return hmac.new(self.manifests, b"audit", hashlib.sha256).digest()

    def opens(self, wrapped_key: bytes, bound: bytes) -> bool:
        """Can this data key be unwrapped?"""
        try:
            open_sealed(self.master, wrapped_key, bound)
        except InvalidTag:
            return False
        return True


class Keyring:
    """The keys as this process knows them; safe for threads. `folder`: where the master key's file is, if it has one.

    Files are read inside a unit of work only where the store names a key that this process does not know.
    """

    def __init__(self, master_key: bytes, folder: Path | None = None) -> None:
        self._folder = folder
        self._known = {mark(master_key): _derive(master_key)}
        self._newest = self._known[mark(master_key)]

    @property
    def newest(self) -> Keys:
        """The keys that the store named last."""
        return self._newest

    def open(self, connection: sa.Connection) -> None:
        """At start: the first server of a store leaves the marks, others must have the same key or find it.

        Raises DataOSError `server.master_key`.
        """
        if _fact(connection, MARK_FACT) is None:
            connection.execute(_f.insert().values(key=MARK_FACT, value=self._newest.mark))
        if _fact(connection, DERIVED_FACT) is None and _fact(connection, MARK_FACT) == self._newest.mark:
            connection.execute(_f.insert().values(key=DERIVED_FACT, value=_seal_derived(self._newest)))
        self._known = {name: keys for name, keys in self._known.items() if name != self._newest.mark}
        self._newest = self._find(connection, _fact(connection, MARK_FACT) or self._newest.mark, self._newest)

    def load(self, connection: sa.Connection) -> Keys:
        """As `open`, without leaving marks: to look at a store. Raises DataOSError `server.master_key`."""
        self._newest = self._find(connection, _fact(connection, MARK_FACT) or self._newest.mark, self._newest)
        return self._newest

    def now(self, connection: sa.Connection) -> Keys:
        """The keys that count in this transaction. Raises DataOSError `server.master_key`."""
        wanted = _fact(connection, MARK_FACT)
        if wanted is None or wanted == self._newest.mark:
            return self._newest
        found = self._known.get(wanted)
        if found is None:
            found = self._find(connection, wanted, self._newest)
            self._newest = found
        return found

    def _find(self, connection: sa.Connection, wanted: str, mine: Keys) -> Keys:
        for master_key in self._candidates(connection, mine):
            if mark(master_key) == wanted:
                keys = _with_derived(connection, master_key)
                self._known[wanted] = keys
                return keys
        where = self._folder or "the key folder"
        raise fail(
            "server.master_key",
            f"the master key in {where} is not the one that this store's secrets are sealed with",
            hint=f"copy keys/{FILE} from the home of a server that works with this store to {where}/{FILE} "
            "(mode 0600), and start again",
        )

    def _candidates(self, connection: sa.Connection, mine: Keys) -> Iterator[bytes]:
        yield mine.master_key
        yield from self._files()
        yield from _handed_over(connection, mine)

    def _files(self) -> list[bytes]:
        found: list[bytes] = []
        for file in [self._folder / FILE, self._folder / NEXT] if self._folder is not None else []:
            try:
                found.append(file.read_bytes())
            except OSError:
                continue
        return [key for key in found if len(key) == _BYTES]

    def is_saved(self) -> bool:
        """Does the file hold the newest key?"""
        return self._folder is None or any(mark(key) == self._newest.mark for key in self._files()[:1])

    def save(self) -> None:
        """Bring the newest master key into the file, durably; blocks. What a rotation left beside it goes."""
        if self._folder is None:
            return
        write_key(self._folder, FILE, self._newest.master_key)
        (self._folder / NEXT).unlink(missing_ok=True)

    # --- rotation ---------------------------------------------------------------------------------------------------

    def rotate(
        self, connection: sa.Connection, new_key: bytes, others: list[str], now_us: int, living: Collection[str] = ()
    ) -> int:
        """Seal everything under a new master key, in the caller's transaction; returns how many data keys were wrapped.
        `others`: ids of the servers that must fetch the key from the store; `living`: those of them that run.

        Raises DataOSError `keys.pending` while living servers have not taken the key of an earlier rotation (one that
        is down misses it then, and needs the file by hand), `secret.unreadable`.
        """
        waiting = sorted(set(pending(connection)) & set(living))
        if waiting:
            raise fail(
                "keys.pending",
                f"{len(waiting)} servers have not taken the last new key yet: {', '.join(waiting)}",
                hint="let them run for a moment (or start them), then repeat the command",
                retry=10.0,
            )
        old = self.now(connection)
        count = 0
        v = tables.vault
        for row in connection.execute(sa.select(v.c.id, v.c.version, v.c.wrapped_key)).all():
            bound = f"{row.id}#{row.version}".encode()
            try:
                data_key = open_sealed(old.master, row.wrapped_key, bound)
            except InvalidTag as error:
                raise fail(
                    "secret.unreadable",
                    f"the values of '{row.id}' (version {row.version}) cannot be opened: nothing was rotated",
                    hint="apply that secret again, or delete it; `dataos doctor` lists such secrets",
                ) from error
            connection.execute(
                v.update()
                .where(v.c.id == row.id, v.c.version == row.version)
                .values(wrapped_key=seal(AESGCM(new_key), data_key, bound))
            )
            count += 1
        attempts = (os.urandom(_BYTES), *old.attempts)[:_KEPT_ATTEMPT_KEYS]
        new = Keys(mark(new_key), new_key, old.manifests, old.tokens, attempts)
        _set_fact(connection, MARK_FACT, new.mark)
        _set_fact(connection, DERIVED_FACT, _seal_derived(new))
        connection.execute(_f.delete().where(_f.c.key == HANDOVER_FACT))
        if others:
            sealed = seal(old.master, new_key, HANDOVER_FACT.encode())
            body = {"servers": others, "at": now_us, "sealed": base64.b64encode(sealed).decode()}
            _set_fact(connection, HANDOVER_FACT, json.dumps(body))
        return count


def pending(connection: sa.Connection) -> list[str]:
    """Ids of servers that have not taken the newest key yet."""
    text = _fact(connection, HANDOVER_FACT)
    return list(json.loads(text)["servers"]) if text else []


def taken(connection: sa.Connection, server: str) -> None:
    """A server has the newest key in its file. When all have it, the store holds it no more."""
    text = _fact(connection, HANDOVER_FACT)
    if not text:
        return
    body: dict[str, Any] = json.loads(text)
    left = [s for s in body["servers"] if s != server]
    if left == body["servers"]:
        return
    if left:
        _set_fact(connection, HANDOVER_FACT, json.dumps({**body, "servers": left}))
    else:
        connection.execute(_f.delete().where(_f.c.key == HANDOVER_FACT))


def attempt_token(key: bytes, attempt_id: AttemptId) -> str:
    """The token of an attempt under one of the keys of `Keys.attempts`."""
    return "da_" + hmac.new(key, attempt_id.encode(), hashlib.sha256).hexdigest()


def load_master_key(folder: Path) -> bytes:
    """Read or make the master key. Raises DataOSError `home.keys` if it is readable by others or damaged."""
    file = folder / FILE
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_key(folder, FILE, AESGCM.generate_key(256))
    key = file.read_bytes()
    if len(key) != _BYTES:
        raise fail("home.keys", f"{file} is damaged: {len(key)} bytes instead of 32", hint="restore it from a backup")
    if file.stat().st_mode & 0o077:
        raise fail("home.keys", f"{file} can be read by others", hint=f"chmod 600 {file}")
    return key


def write_key(folder: Path, name: str, key: bytes) -> None:
    """Write a key file (0600): whole, and on disk, before it has its name."""
    durable.write(folder / name, key)


def seal(cipher: AESGCM, plain: bytes, bound: bytes) -> bytes:
    """Nonce and ciphertext."""
    nonce = os.urandom(_NONCE)
    return nonce + cipher.encrypt(nonce, plain, bound)


def open_sealed(cipher: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    """Raises InvalidTag."""
    return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)


def _derive(master_key: bytes) -> Keys:
    def key(purpose: bytes) -> bytes:
        return hmac.new(master_key, purpose, hashlib.sha256).digest()

    return Keys(
        mark(master_key),
        master_key,
        manifests=key(b"dataos manifest digest"),
        tokens=key(b"dataos token digest"),
        attempts=(key(b"dataos attempt token"),),
    )


def _seal_derived(keys: Keys) -> str:
    plain = {
        "manifests": keys.manifests.hex(),
        "tokens": keys.tokens.hex(),
        "attempts": [key.hex() for key in keys.attempts],
    }
    return base64.b64encode(seal(keys.master, json.dumps(plain).encode(), DERIVED_FACT.encode())).decode()


def _with_derived(connection: sa.Connection, master_key: bytes) -> Keys:
    text = _fact(connection, DERIVED_FACT)
    if text is None:
        return _derive(master_key)
    try:
        plain = open_sealed(AESGCM(master_key), base64.b64decode(text), DERIVED_FACT.encode())
    except InvalidTag as error:
        raise fail(
            "server.master_key",
            "the store's own keys cannot be opened with the master key that it names",
            hint="restore the store and keys/ from one and the same backup",
        ) from error
    body: dict[str, Any] = json.loads(plain)
    return Keys(
        mark(master_key),
        master_key,
        manifests=bytes.fromhex(body["manifests"]),
        tokens=bytes.fromhex(body["tokens"]),
        attempts=tuple(bytes.fromhex(key) for key in body["attempts"]),
    )


def _handed_over(connection: sa.Connection, mine: Keys) -> list[bytes]:
    text = _fact(connection, HANDOVER_FACT)
    if not text:
        return []
    try:
        return [open_sealed(mine.master, base64.b64decode(json.loads(text)["sealed"]), HANDOVER_FACT.encode())]
    except InvalidTag:
        return []


def _fact(connection: sa.Connection, key: str) -> str | None:
    return connection.execute(_FACT, {"of_key": key}).scalar()


def _set_fact(connection: sa.Connection, key: str, value: str) -> None:
    done = connection.execute(_f.update().where(_f.c.key == key).values(value=value))
    if not done.rowcount:
        connection.execute(_f.insert().values(key=key, value=value))
