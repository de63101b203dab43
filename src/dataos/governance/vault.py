"""The vault: secret values, sealed by envelope encryption, kept nowhere else.

Each version of a secret has its own data key (AES-256-GCM), wrapped by the master key (`keyring`).
The secret's id and version are bound in as associated data, so that a row moved to another id does not open. Ids are
Resource keys (`instance-secret:ordersdb-r`, `secret:token:sales`, `depot:old:r` for inline ones).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataos.core.clock import Clock
from dataos.core.errors import fail
from dataos.governance.keyring import Keyring, open_sealed, seal
from dataos.store import tables


class Vault:
    """Seals and reveals. Its functions take an open connection: they are part of the caller's unit of work. `keys` as
    bytes: a master key that is never rotated."""

    def __init__(self, keys: Keyring | bytes, clock: Clock) -> None:
        self._keys = Keyring(keys) if isinstance(keys, bytes) else keys
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
                wrapped_key=seal(self._keys.now(connection).master, data_key, bound),
                ciphertext=seal(AESGCM(data_key), plain, bound),
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
            data_key = open_sealed(self._keys.now(connection).master, row.wrapped_key, bound)
            plain = open_sealed(AESGCM(data_key), row.ciphertext, bound)
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
        return hmac.new(self._keys.newest.manifests, canonical, hashlib.sha256).hexdigest()
