"""The registry that keeps the schemas of a cluster's messages: Confluent's REST interface, which the others have too.

A schema never changes under its id: it is asked for once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from dataos.core.errors import DataOSError, fail
from dataos.depots import databases, web
from dataos.depots.ports import DepotEntry, MessageSchema

_TITLE = "the schema registry"
_MOST = 2000
_MOST_REFERENCES = 200
_TOPIC = re.compile(r"[A-Za-z0-9._-]+")
_RECORD = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
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

    async def subjects_of(self, entry: DepotEntry, credentials: Mapping[str, str], number: int) -> list[str]:
        """The subjects that have, or had, the schema of an id; none if there is no such schema. Raises as `by_id`."""
        found = await self._list(entry, credentials, f"/schemas/ids/{number}/versions", {"deleted": "true"})
        return [str(one["subject"]) for one in found]

    async def refers(
        self, entry: DepotEntry, credentials: Mapping[str, str], topic: str, subject: str, version: str
    ) -> bool:
        """Does a schema of a topic's messages refer to a version of a subject, itself or by others? Raises as
        `by_id`."""
        todo: list[tuple[str, str]] = []
        for own in (f"{topic}-value", f"{topic}-key"):
            path = f"/subjects/{quote(own, safe='')}/versions"
            todo += [(own, str(number)) for number in await self._list(entry, credentials, path)]
        seen: set[tuple[str, str]] = set()
        while todo and len(seen) < _MOST_REFERENCES:
            one = todo.pop()
            if one in seen:
                continue
            seen.add(one)
            for _, name, number in (await self.of_subject(entry, credentials, *one)).references:
                if (name, str(number)) == (subject, version):
                    return True
                todo.append((name, str(number)))
        return False

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
        found = await self._get(entry, credentials, path, told, body)
        if not isinstance(found, dict):
            raise _no_registry(entry)
        return cast("dict[str, Any]", found)

    async def _list(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        path: str,
        params: Mapping[str, str] | None = None,
    ) -> list[Any]:
        """A list of the registry; empty where it has nothing of that path."""
        missing = fail("depot.schema_not_found", "there is nothing")
        try:
            found = await self._get(entry, credentials, path, {404: missing}, params=params)
        except DataOSError as error:
            if error is missing:
                return []
            raise
        if not isinstance(found, list):
            raise _no_registry(entry)
        return cast("list[Any]", found)

    async def _get(
        self,
        entry: DepotEntry,
        credentials: Mapping[str, str],
        path: str,
        told: Mapping[int, Exception],
        body: Any = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        user = databases.pick(credentials, "schema_registry_username")
        password = databases.pick(credentials, "schema_registry_password")
        return await web.get(
            entry,
            _TITLE,
            [_address(entry)],
            path,
            timeout_s=self._timeout_s,
            login=(user, password or "") if user is not None else None,
            headers={"Accept": "application/vnd.schemaregistry.v1+json"},
            ca_pem=databases.pick(credentials, "ca_file"),
            params=params,
            body=body,
            told=told,
        )


def topic_of(subject: str) -> str | None:
    """The topic whose messages a subject describes, None if its name does not tell: [topic]-value, [topic]-key and, of
    Confluent's TopicRecordNameStrategy, [topic]-[namespace].[record]."""
    topic, _, kind = subject.rpartition("-")
    if not _TOPIC.fullmatch(topic):  # as `:.:orders-value`, the same subject by the name of its context
        return None
    return topic if kind in ("value", "key") or _RECORD.fullmatch(kind) else None


def _no_registry(entry: DepotEntry) -> DataOSError:
    return fail(
        "depot.unreachable",
        f"depot '{entry.name}': what answers at {_address(entry)} is no schema registry",
        hint="is `schemaRegistryUrl` right?",
    )


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
