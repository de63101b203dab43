"""Buckets of S3 and of stores that speak its protocol. An endpoint is asked by path, which all of them answer."""

from __future__ import annotations

from collections.abc import Mapping

from dataos.core.errors import fail
from dataos.depots.objectstores import ObjectStoreAdapter, pick
from dataos.depots.ports import DepotEntry, ObjectStoreConnection


class S3Adapter(ObjectStoreAdapter):
    """S3 depots."""

    def object_store(self, entry: DepotEntry, credentials: Mapping[str, str]) -> ObjectStoreConnection:
        where = entry.location
        endpoint = where.get("endpoint") or pick(credentials, "awsendpoint")
        return ObjectStoreConnection(
            kind="s3",
            bucket=str(where["bucket"]),
            prefix=str(where.get("relativePath") or ""),
            scheme="s3",
            region=where.get("region"),
            endpoint=with_scheme(str(endpoint)) if endpoint else None,
            path_style=bool(endpoint),
            credentials=_keys(entry, credentials),
            ca_pem=pick(credentials, "ca_file"),
        )


def with_scheme(endpoint: str) -> str:
    """A bare host is reached by TLS."""
    return (endpoint if "://" in endpoint else f"https://{endpoint}").rstrip("/")


def _keys(entry: DepotEntry, credentials: Mapping[str, str]) -> dict[str, str]:
    key = pick(credentials, "accesskeyid", "awsaccesskeyid", "awsaccesskey")
    secret = pick(credentials, "secretkey", "awssecretaccesskey")
    if credentials and (key is None or secret is None):
        raise fail(
            "depot.credentials",
            f"the secret of depot '{entry.name}' lacks `{'accesskeyid' if key is None else 'secretkey'}`",
            hint="an S3 secret has the keys accesskeyid and secretkey (or awsaccesskeyid and awssecretaccesskey)",
        )
    if key is None or secret is None:
        return {}
    token = pick(credentials, "awssessiontoken", "sessiontoken")
    return {"access_key_id": key, "secret_access_key": secret, **({"session_token": token} if token else {})}
