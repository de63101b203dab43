"""The vault: secret values, sealed by envelope encryption, kept nowhere else.

Each version of a secret has its own data key (AES-256-GCM), wrapped by the master key (<home>/keys/master.key, 0600).
The secret's id and version are bound in as associated data, so that a row moved to another id does not open. Ids are
Resource keys (`instance-secret:ordersdb-r`, `secret:token:sales`, `depot:old:r` for inline ones).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.store import tables

_NONCE = 12


class Vault:
    """Seals and reveals. Its functions take an open connection: they are part of the caller's unit of work."""

    def __init__(self, master_key: bytes, clock: Clock) -> None:
        self._master = AESGCM(master_key)
        self._digest_key = hmac.new(master_key, b"dataos manifest digest", hashlib.sha256).digest()
        self._clock = clock

    def seal(self, connection: sa.Connection, secret_id: str, values: Mapping[str, str]) -> int:
        """Store a new version; returns its number (1-based)."""
        newest = connection.execute(
            sa.select(sa.func.max(tables.vault.c.version)).where(tables.vault.c.id == secret_id)
        ).scalar()
        version = int(newest or 0) + 1
        bound = f"{secret_id}#{version}".encode()
        data_key = AESGCM.generate_key(256)
        plain = json.dumps(dict(values), ensure_ascii=False, sort_keys=True).encode()
        connection.execute(
            tables.vault.insert().values(
                id=secret_id,
                version=version,
                wrapped_key=_encrypt(self._master, data_key, bound),
                ciphertext=_encrypt(AESGCM(data_key), plain, bound),
                created_at=self._clock.now_us(),
            )
        )
        return version

    def reveal(self, connection: sa.Connection, secret_id: str, version: int | None = None) -> dict[str, str]:
        """Values of a secret (newest version unless told). Raises `secret.not_found`, `secret.unreadable`."""
        query = sa.select(tables.vault).where(tables.vault.c.id == secret_id)
        if version is None:
            query = query.order_by(tables.vault.c.version.desc()).limit(1)
        else:
            query = query.where(tables.vault.c.version == version)
        row = connection.execute(query).first()
        if row is None:
            raise fail(
                "secret.not_found", f"the vault holds no values for '{secret_id}'", hint="apply the secret again"
            )
        bound = f"{row.id}#{row.version}".encode()
        try:
            data_key = _decrypt(self._master, row.wrapped_key, bound)
            plain = _decrypt(AESGCM(data_key), row.ciphertext, bound)
        except InvalidTag as error:
            raise fail(
                "secret.unreadable",
                f"the values of '{secret_id}' cannot be opened with this home's master key",
                hint="restore <home>/keys/master.key from the backup it came with, or apply the secret again",
            ) from error
        values: dict[str, str] = json.loads(plain)
        return values

    def destroy(self, connection: sa.Connection, secret_id: str) -> None:
        """Forget all versions. Cannot be undone."""
        connection.execute(tables.vault.delete().where(tables.vault.c.id == secret_id))

    def digest(self, canonical: bytes) -> str:
        """Keyed digest: equal for equal content, tells nothing about secret values in it."""
        return hmac.new(self._digest_key, canonical, hashlib.sha256).hexdigest()


def load_master_key(folder: Path) -> bytes:
    """Read or make the master key. Raises DataOSError `home.keys` if it is readable by others or damaged."""
    file = folder / "master.key"
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)  # of a start that was cut off here; the home is locked
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(AESGCM.generate_key(256))
            out.flush()
            os.fsync(out.fileno())
        fresh.rename(file)
    key = file.read_bytes()
    if len(key) != 32:
        raise fail("home.keys", f"{file} is damaged: {len(key)} bytes instead of 32", hint="restore it from a backup")
    if file.stat().st_mode & 0o077:
        raise fail("home.keys", f"{file} can be read by others", hint=f"chmod 600 {file}")
    return key


def _encrypt(cipher: AESGCM, plain: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + cipher.encrypt(nonce, plain, bound)


def _decrypt(cipher: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
