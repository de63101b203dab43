"""Buckets of Google Cloud Storage, by the JSON key of a service account or by its parts (ch02 2.5)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dataos.core.errors import fail
from dataos.depots.objectstores import ObjectStoreAdapter, pick
from dataos.depots.ports import DepotEntry, ObjectStoreConnection


class GcsAdapter(ObjectStoreAdapter):
    """GCS depots."""

    def object_store(self, entry: DepotEntry, credentials: Mapping[str, str]) -> ObjectStoreConnection:
        where = entry.location
        account = service_account(entry, credentials)
        return ObjectStoreConnection(
            kind="gcs",
            bucket=str(where["bucket"]),
            prefix=str(where.get("relativePath") or ""),
            scheme="gs",
            endpoint=json.loads(account).get("gcs_base_url") if account else None,  # of a store beside Google's
            credentials={"service_account": account} if account else {},
            ca_pem=pick(credentials, "ca_file"),
        )


def service_account(entry: DepotEntry, credentials: Mapping[str, str]) -> str | None:
    """The JSON text of a service account's key; None without credentials. Raises DataOSError `depot.credentials`."""
    if not credentials:
        return None
    text = pick(credentials, "gcskey_json", "gcskeyjson", "json_keyfile")
    if text is not None:
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        if not isinstance(body, dict) or "private_key" not in body:
            raise fail(
                "depot.credentials",
                f"depot '{entry.name}': `gcskey_json` of its secret is no JSON key of a service account",
                hint="give the file's content: `files: {gcskey_json: path/to/key.json}`",
            ) from None
        return text
    email, key, key_id = (pick(credentials, name) for name in ("email", "privatekey", "privatekeyid"))
    if email is None or key is None:
        raise fail(
            "depot.credentials",
            f"the secret of depot '{entry.name}' lacks `gcskey_json`",
            hint="a GCS secret has gcskey_json, or email, privatekey and privatekeyid",
        )
    body = {
        "type": "service_account",
        "client_email": email,
        "private_key": key.replace("\\n", "\n"),
        "private_key_id": key_id or "",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(body)
