"""Snowflake through its own driver: by password, or by key pair (ch02 2.5). A collection is a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataos.core.errors import fail
from dataos.depots import databases
from dataos.depots.databases import DatabaseAdapter
from dataos.depots.ports import DepotEntry


class SnowflakeAdapter(DatabaseAdapter):
    """SNOWFLAKE depots."""

    title = "Snowflake"
    module = "snowflake.connector"
    extra = "snowflake"
    collections = "SELECT schema_name FROM information_schema.schemata WHERE schema_name <> 'INFORMATION_SCHEMA'"
    datasets = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
    columns = (
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
    )

    def where(self, entry: DepotEntry) -> str:
        return str(entry.location["url"])

    def settings(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> dict[str, Any]:
        """What the driver gets. The host of `url` is asked, the account is its first part where none is named."""
        where = entry.location
        host = str(where["url"])
        made: dict[str, Any] = {
            "account": where.get("account") or host.partition(".snowflakecomputing.")[0],
            "host": host.partition(":")[0],
            "warehouse": where["warehouse"],
            "database": where["database"],
            "role": where.get("role") or "PUBLIC",
            "schema": where.get("schema"),
            "login_timeout": max(1, round(timeout_s)),
            "network_timeout": max(1, round(timeout_s * 3)),
            "application": "dataos",
            "client_session_keep_alive": False,
        }
        key, user = databases.pick(credentials, "key"), databases.pick(credentials, "username")
        if key is not None and databases.pick(credentials, "password") is not None:
            raise fail(
                "depot.credentials",
                f"the secret of depot '{entry.name}' has both `password` and `key`",
                hint="give one way to log in",
            )
        if key is not None:
            if user is None:
                raise fail("depot.credentials", f"the secret of depot '{entry.name}' lacks `username`")
            return made | {"user": user, "private_key": _private_key(entry, key, credentials)}
        name, password = databases.login(entry, credentials)
        return made | {"user": name, "password": password}

    def connect(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> Any:
        driver = databases.driver(self.module, self.extra, entry)
        return driver.connect(**self.settings(entry, credentials, timeout_s))


def _private_key(entry: DepotEntry, pem: str, credentials: Mapping[str, str]) -> bytes:
    from cryptography.hazmat.primitives import serialization

    passphrase = databases.pick(credentials, "passphrase")
    try:
        key = serialization.load_pem_private_key(pem.encode(), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError):
        raise fail(
            "depot.credentials",
            f"the `key` of depot '{entry.name}' cannot be read",
            hint="it is a PEM block (PKCS#8) with its line breaks, and `passphrase` opens it",
        ) from None
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
