"""The registry that keeps the schemas of a cluster's messages: Confluent's REST interface, which the others have too.

A schema never changes under its id: it is asked for once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from dataos.core.errors import fail
from dataos.depots import databases, web
from dataos.depots.ports import DepotEntry, MessageSchema

_TITLE = "the schema registry"
_MOST = 2000
_INCOMPATIBLE = 409
_INVALID = 422


class Registries:
    """Schemas of all depots of a server."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._known: dict[tuple[str, str, int], MessageSchema] = {}

    async def by_id(self, entry: DepotEntry, credentials: Mapping[str, str], number: int) -> MessageSchema:
        """The schema of an id. Raises DataOSError `depot.schema_not_found`, `depot.no_registry`, and as `web.get`."""
        key = (entry.uid, _address(entry), number)
        if key not in self._known:
            missing = fail(
                "depot.schema_not_found",
                f"the schema registry of depot '{entry.name}' has no schema with the id {number}",
                hint="the messages were written with another registry, or are not of its form",
            )
            body = await self._ask(entry, credentials, f"/schemas/ids/{number}", {404: missing})
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = _schema({**body, "id": number})
        return self._known[key]

    async def of_subject(
        self, entry: DepotEntry, credentials: Mapping[str, str], subject: str, version: str
    ) -> MessageSchema:
        """A version of a subject, or `latest`. Raises as `by_id`."""
        missing = fail(
            "depot.schema_not_found",
            f"the schema registry of depot '{entry.name}' has no version {version} of the subject '{subject}'",
            hint="name the subject (`schemaSubject`) or the id (`schemaId`); usually it is [topic]-value",
        )
        path = f"/subjects/{quote(subject, safe='')}/versions/{quote(version, safe='')}"
        return _schema(await self._ask(entry, credentials, path, {404: missing}))

    async def register(self, entry: DepotEntry, credentials: Mapping[str, str], subject: str, schema: str) -> int:
        """The id of an Avro schema under a subject: the one that it has, else a new one.

        Raises DataOSError `depot.schema_refused`, and as `by_id`.
        """
        refused = fail(
            "depot.schema_refused",
            f"the schema registry of depot '{entry.name}' refuses the rows' schema for the subject '{subject}': it is "
            "not compatible with the one that is there",
            hint="give the columns the types of that schema, name another subject, or change its compatibility",
        )
        path = f"/subjects/{quote(subject, safe='')}/versions"
        told = {_INCOMPATIBLE: refused, _INVALID: refused}
        body = await self._ask(entry, credentials, path, told, {"schema": schema, "schemaType": "AVRO"})
        return int(body["id"])

    async def _ask(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        path: str,
        told: Mapping[int, Exception],
        body: Any = None,
    ) -> dict[str, Any]:
        user = databases.pick(credentials, "schema_registry_username")
        password = databases.pick(credentials, "schema_registry_password")
        found = await web.get(
            entry,
            _TITLE,
            [_address(entry)],
            path,
            timeout_s=self._timeout_s,
            login=(user, password or "") if user is not None else None,
            headers={"Accept": "application/vnd.schemaregistry.v1+json"},
            ca_pem=databases.pick(credentials, "ca_file"),
            body=body,
            told=told,
        )
        if not isinstance(found, dict):
            raise fail(
                "depot.unreachable",
                f"depot '{entry.name}': what answers at {_address(entry)} is no schema registry",
                hint="is `schemaRegistryUrl` right?",
            )
        return found


def _address(entry: DepotEntry) -> str:
    address = entry.location.get("schemaRegistryUrl")
    if not address:
        raise fail(
            "depot.no_registry",
            f"depot '{entry.name}' names no schema registry",
            hint="set `schemaRegistryUrl` in the Depot, beside `brokers`",
        )
    return str(address)


def _schema(body: Mapping[str, Any]) -> MessageSchema:
    references = tuple((str(r["name"]), str(r["subject"]), int(r["version"])) for r in body.get("references") or ())
    return MessageSchema(int(body["id"]), str(body.get("schemaType") or "AVRO"), str(body["schema"]), references)
