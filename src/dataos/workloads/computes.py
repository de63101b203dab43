"""Computes as workloads see them: what for, and the Apache Spark that one may name.

A Compute is an operator's: nobody else says where jobs, with the token of their run, connect to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.core.addresses import ResourceKey
from dataos.core.secrecy import Secret
from dataos.core.settings import FlareSettings
from dataos.core.sparkaddresses import SparkAddress
from dataos.governance.vault import Vault
from dataos.manifest.blocks import COMPUTES
from dataos.manifest.documents import read_manifest
from dataos.manifest.specs import Reading
from dataos.store.database import Store


@dataclass(frozen=True)
class SparkPlace:
    """An Apache Spark that may run jobs, what it asks for, and who named it."""

    address: SparkAddress
    token: Secret | None
    named_by: str  # for messages: "Compute `retail`", "the setting flare.spark"


@dataclass(frozen=True)
class Compute:
    """A declared Compute, or one that ships (which has no Spark unless it is declared anew)."""

    name: str
    purpose: str
    spark: SparkPlace | None = None


class Computes:
    """Reads Computes and the settings of Flare. One per server; `server_url` is set once it listens."""

    def __init__(self, store: Store, vault: Vault, settings: FlareSettings) -> None:
        self._store = store
        self._vault = vault
        self._settings = settings
        self.server_url = ""

    @property
    def default_spark(self) -> SparkPlace | None:
        """The Spark of the settings."""
        if self._settings.spark is None:
            return None
        token = self._settings.spark_token
        held = Secret(token.get_secret_value()) if token is not None else None
        return SparkPlace(SparkAddress.parse(self._settings.spark), held, "the setting flare.spark")

    @property
    def prefers_spark(self) -> bool:
        """Does the Spark of the settings run everything?"""
        return self._settings.engine == "spark"

    @property
    def catalog_url(self) -> str:
        """This server's address as a Spark reaches it."""
        return (self._settings.catalog_url or self.server_url).rstrip("/")

    async def get(self, name: str) -> Compute | None:
        """The Compute of that name."""
        return await self._store.read(self._find, name)

    async def with_spark(self) -> list[SparkPlace]:
        """Every Spark that an operator named."""
        places = await self._store.read(self._all)
        return [*places, *([self.default_spark] if self.default_spark is not None else [])]

    def _find(self, connection: sa.Connection, name: str) -> Compute | None:
        row = records.find(connection, ResourceKey("compute", name))
        stored = records.manifest_of(connection, row.uid, row.generation) if row is not None else None
        if row is None or row.deleting_at is not None or stored is None:
            return Compute(name, name.partition("-")[0]) if name in COMPUTES else None
        return self._read(connection, name, stored.manifest)

    def _read(self, connection: sa.Connection, name: str, document: Mapping[str, Any]) -> Compute | None:
        manifest = read_manifest(dict(document), Reading())
        if manifest is None:
            return None
        spec = manifest.spec
        if spec.spark is None:
            return Compute(name, spec.purpose)
        token = None
        if manifest.secret_paths:
            (values,) = [self._vault.reveal(connection, vault_id) for vault_id in manifest.sealed_values()]
            token = Secret(values["token"])
        return Compute(name, spec.purpose, SparkPlace(spec.spark, token, f"Compute `{name}`"))

    def _all(self, connection: sa.Connection) -> list[SparkPlace]:
        found = [self._find(connection, name) for name in records.names_of(connection, "compute")]
        return [c.spark for c in found if c is not None and c.spark is not None]
