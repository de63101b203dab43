"""Object stores of all vendors, through obstore: listing, checks, the objects of an address.

Each type (S3, GCS, ABFSS, WASBS) says how its location and credentials become an `ObjectStoreConnection`; all else is
here. Clients are built for each call: nothing keeps credentials, and the process's own environment (AWS_* and the like)
is overridden, so that a depot never reads with the server's own rights.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError, fail
from dataos.depots import paths, placing, tableformats, tableplaces, tablewriting, transfers
from dataos.depots.ports import (
    AdapterContext,
    ColumnDescription,
    Delivery,
    DepotEntry,
    Fence,
    ObjectStoreConnection,
    StoredObject,
    StoredTable,
    required,
)

_MAX_OBJECTS = 100_000
_RETRIES = 4
_READ_TIMES = 12  # an answer of many pages may take this many times the wait for a connection
_TRANSFER_S = 6 * 3600.0  # content may take long; each request of it is timed by itself
_PAGE = 1000


class ObjectStoreAdapter:
    """What the adapters of object stores share. Listing shows folders as collections, what is below as datasets;
    with `format: ICEBERG` or `DELTA` the tables."""

    def __init__(self, context: AdapterContext) -> None:
        self._timeout_s = context.connect_timeout_s

    def object_store(self, entry: DepotEntry, credentials: Mapping[str, str]) -> ObjectStoreConnection:
        """See `ObjectStoreDepot`; each type has its own."""
        raise NotImplementedError

    async def check(self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float) -> None:
        async with self._opened(entry, credentials, timeout_s) as folder:
            await folder.first("")

    async def list_collections(self, entry: DepotEntry, credentials: Mapping[str, str]) -> list[str]:
        async with self._opened(entry, credentials, self._timeout_s) as folder:
            return ["none", *await folder.folders("")]

    async def list_datasets(self, entry: DepotEntry, credentials: Mapping[str, str], collection: str) -> list[str]:
        place = paths.relative(collection, None)
        async with self._opened(entry, credentials, self._timeout_s) as folder:
            if tableformats.held_by(entry):
                return await tableformats.tables(folder, entry.location["format"], place)
            found_folders, files = await folder.children(place)
            return sorted({*found_folders, *files})

    async def describe(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> list[ColumnDescription]:
        return list((await self.table(entry, credentials, collection, dataset)).columns)

    async def table(
        self, entry: DepotEntry, credentials: Mapping[str, str], collection: str, dataset: str
    ) -> StoredTable:
        """See `HoldsTables`."""
        if tableformats.held_by(entry) is None:
            raise tableformats.no_columns(entry)
        async with self._opened(entry, credentials, self._timeout_s) as folder:
            return await tableformats.read(folder, entry, paths.relative(collection, dataset))

    async def resolve(self, entry: DepotEntry, udl: Udl) -> str:
        store = self.object_store(entry, {})
        relative = paths.relative(udl.collection, udl.dataset)
        scheme = str(entry.location.get("scheme") or store.scheme)
        place = store.location("/".join(p for p in (store.prefix, relative) if p))
        return scheme + place[len(store.scheme) :]

    async def objects(self, entry: DepotEntry, credentials: Mapping[str, str], udl: Udl) -> list[StoredObject]:
        """See `ObjectStoreDepot`."""
        relative = paths.relative(*required(udl))
        pattern = paths.is_pattern(relative)
        async with self._opened(entry, credentials, self._timeout_s) as folder:
            found = await (self._matching(entry, folder, relative) if pattern else folder.named(entry, relative))
            if not found:
                raise await _missing(entry, folder, relative)
            return sorted(found, key=lambda o: o.key)

    async def content(
        self, entry: DepotEntry, credentials: Mapping[str, str], udl: Udl, path: str
    ) -> AsyncGenerator[bytes]:
        """See `ObjectStoreDepot`."""
        named = paths.relative(*required(udl))
        below = path == named or path.startswith(f"{named}/")
        if paths.is_pattern(named):
            below = paths.matches(path, named)
        if not below or paths.relative("none", path) != path:
            raise fail("depot.path", f"depot '{entry.name}': '{path}' is not what {udl} names")
        async with self._opened(entry, credentials, self._timeout_s, _TRANSFER_S) as folder:
            async for piece in transfers.receive(folder.client, folder.key(path)):
                yield piece

    async def deliver(
        self, entry: DepotEntry, credentials: Mapping[str, str], delivery: Delivery, fence: Fence
    ) -> None:
        """See `TakesFiles`. A store cannot exchange many objects at once: for the moment between the two last requests
        a reader may see what was there beside what has come."""
        relative = paths.relative(*required(delivery.udl))
        paths.check_target(entry.name, relative)
        if delivery.table is not None:
            async with self._opened(entry, credentials, self._timeout_s, _TRANSFER_S) as folder:
                place = self._table_place(entry, credentials, folder, relative, delivery.udl)
                await tablewriting.deliver(place, folder, relative, delivery, delivery.table, fence)
            return
        names = await asyncio.to_thread(placing.staged, delivery.folder)
        async with self._opened(entry, credentials, self._timeout_s, _TRANSFER_S) as folder:
            sending = transfers.Sending(folder.client, folder.key(relative))
            before = [stored.key async for _, stored in folder.walk(relative)]
            for name in names:
                await sending.send(delivery.folder, name)
            await fence()
            await sending.finish()
            mine = (key for key in before if placing.is_of(delivery.mark, key))
            gone = sorted(set(before if delivery.mode == "overwrite" else mine) - sending.keys)
            for start in range(0, len(gone), _PAGE):
                await folder.delete(gone[start : start + _PAGE])

    def _table_place(
        self, entry: DepotEntry, credentials: Mapping[str, str], folder: Folder, relative: str, udl: Udl
    ) -> tableplaces.Place:
        """Raises DataOSError `depot.unsupported` for stores that tables are not written to."""
        store = self.object_store(entry, credentials)
        if store.kind != "s3" or store.ca_pem:
            why = f"is of type {entry.type}" if store.kind != "s3" else "has certificates of its own (`ca_file`)"
            raise fail(
                "depot.unsupported",
                f"depot '{entry.name}' {why}: tables are not written there",
                hint="write them to a folder (FILE), to S3 with certificates that the system knows, or to a Lakehouse",
            )
        return tableplaces.Place(
            f"{udl} ({folder.place(relative)})",
            folder.place(relative),
            create=lambda path, content: create(folder.client, folder.key(f"{relative}/{path}"), content),
            replace=lambda path, content: _replace(folder, f"{relative}/{path}", content),
            delta=tableplaces.delta_options(store),
            iceberg=tableplaces.iceberg_options(store),
        )

    async def _matching(self, entry: DepotEntry, folder: Folder, pattern: str) -> list[StoredObject]:
        base = paths.literal_folder(pattern)
        found: list[StoredObject] = []
        async for path, stored in folder.walk(base):
            if paths.hidden(path, base) or not paths.matches(path, pattern):
                continue
            found.append(stored)
            if len(found) > _MAX_OBJECTS:
                raise too_many(entry, pattern)
        return without_marks(found)

    @asynccontextmanager
    async def _opened(
        self, entry: DepotEntry, credentials: Mapping[str, str], timeout_s: float, most_s: float | None = None
    ) -> AsyncGenerator[Folder]:
        connection = self.object_store(entry, credentials)
        most_s = most_s or timeout_s * _READ_TIMES
        try:
            async with asyncio.timeout(most_s):
                yield Folder(connection, client(entry.name, connection, timeout_s))
        except DataOSError:
            raise
        except TimeoutError:
            raise fail(
                "depot.timeout",
                f"depot '{entry.name}': {_where(connection)} did not give the answer within {most_s:g} s",
                hint="is it busy, or are there very many objects? Name a folder further down",
                retry=5.0,
            ) from None
        except Exception as error:
            found = failure(entry.name, connection, error, timeout_s)
            if found is None:
                raise
            raise found from None  # obstore's text shows requests and headers


class Folder:
    """Names and content below a depot's root, as `tableformats` wants them. Paths are relative to the root."""

    def __init__(self, connection: ObjectStoreConnection, client: Any) -> None:
        self._connection = connection
        self.client = client

    async def first(self, folder: str) -> list[str]:
        """Some names, of the first page: the cheapest request that proves the right to list."""
        import obstore

        stream = obstore.list(self.client, prefix=self.key(folder) or None, chunk_size=1)
        async for chunk in stream:
            return [meta["path"] for meta in chunk]
        return []

    async def children(self, folder: str) -> tuple[list[str], list[str]]:
        """Visible folders and objects directly below, by name."""
        import obstore

        found = await obstore.list_with_delimiter_async(self.client, self.key(folder) or None)
        inner = [self._path(p).rpartition("/")[2] for p in found["common_prefixes"]]
        mark = self.key(folder)  # an empty object of the folder's own name, as consoles make
        files = [self._path(m["path"]).rpartition("/")[2] for m in found["objects"] if m["path"] != mark]
        visible = [name for name in files if name and not paths.hidden(name) and name not in inner]
        return sorted(name for name in inner if not paths.hidden(name)), sorted(visible)

    async def folders(self, folder: str) -> list[str]:
        """Visible folders directly below."""
        return (await self.children(folder))[0]

    async def names(self, folder: str) -> list[str]:
        """All objects directly below, hidden ones too."""
        import obstore

        found = await obstore.list_with_delimiter_async(self.client, self.key(folder) or None)
        return sorted(self._path(meta["path"]).rpartition("/")[2] for meta in found["objects"])

    async def read(self, path: str, most_bytes: int) -> bytes:
        """Content of one object. Raises FileNotFoundError, ValueError if it is larger than `most_bytes`."""
        import obstore

        answer = await obstore.get_async(self.client, self.key(path))
        if answer.meta["size"] > most_bytes:
            raise ValueError(f"larger than {most_bytes} bytes")
        return bytes(await answer.bytes_async())

    async def walk(self, folder: str) -> AsyncIterator[tuple[str, StoredObject]]:
        """All objects below, deep: path and object."""
        import obstore

        async for chunk in obstore.list(self.client, prefix=self.key(folder) or None, chunk_size=1000):
            for meta in chunk:
                yield self._path(meta["path"]), self._stored(meta)

    async def named(self, entry: DepotEntry, path: str) -> list[StoredObject]:
        """The object of that path, else all visible ones in the folder of that path."""
        import obstore

        if path:
            try:
                meta = await obstore.head_async(self.client, self.key(path))
            except FileNotFoundError:
                pass
            else:
                if meta["size"] > 0:
                    return [self._stored(meta)]
        found: list[StoredObject] = []
        async for inner, stored in self.walk(path):
            if not paths.hidden(inner, path):
                found.append(stored)
            if len(found) > _MAX_OBJECTS:
                raise too_many(entry, path)
        return without_marks(found)

    def place(self, path: str = "") -> str:
        """The address of a path, for messages."""
        return self._connection.location(self.key(path))

    async def delete(self, keys: list[str]) -> None:
        """Take objects away, up to 1000. One that is gone already is no fault."""
        import obstore

        with suppress(FileNotFoundError):
            await obstore.delete_async(self.client, keys)

    def key(self, path: str) -> str:
        """The whole key of a path."""
        return "/".join(p for p in (self._connection.prefix, path) if p)

    def _path(self, key: str) -> str:
        prefix = self._connection.prefix
        return key[len(prefix) :].lstrip("/") if prefix else key

    def _stored(self, meta: Mapping[str, Any]) -> StoredObject:
        key = str(meta["path"])
        return StoredObject(
            self._connection.location(key), key, self._path(key), int(meta["size"]), meta["last_modified"]
        )


def without_marks(found: list[StoredObject]) -> list[StoredObject]:
    """Consoles mark a folder by an empty object of its name: it is no file if something lies below it."""
    above = {o.key[:i] for o in found for i, char in enumerate(o.key) if char == "/"}
    return [o for o in found if o.size_bytes > 0 or o.key not in above]


def too_many(entry: DepotEntry, path: str) -> DataOSError:
    """More objects than a job can be told."""
    text = f"depot '{entry.name}': {path or 'the root'} names more than {_MAX_OBJECTS} objects"
    return fail("depot.path", text, hint="name a folder further down, or a narrower pattern")


def pick(credentials: Mapping[str, str], *keys: str) -> str | None:
    """The first of the keys that has a value, in any letter case."""
    folded = {k.lower(): v.strip() for k, v in credentials.items()}
    return next((folded[k.lower()] for k in keys if folded.get(k.lower())), None)


def client(name: str, connection: ObjectStoreConnection, timeout_s: float) -> Any:
    """An obstore client. Every setting is said, so that the environment of the server says none."""
    from obstore.store import AzureStore, GCSStore, S3Store

    secret = connection.credentials
    options: dict[str, Any] = {
        "allow_http": (connection.endpoint or "").startswith("http://"),
        "allow_invalid_certificates": False,
        "connect_timeout": timedelta(seconds=timeout_s),
        "read_timeout": timedelta(seconds=timeout_s),
        "timeout": timedelta(seconds=timeout_s * 2),
        "user_agent": "dataos",
    }
    if connection.ca_pem:
        options["root_certificate"] = connection.ca_pem
    retries: Any = {
        "max_retries": _RETRIES,
        "retry_timeout": timedelta(seconds=timeout_s * 2),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2)},
    }
    common: dict[str, Any] = {"client_options": options, "retry_config": retries}
    try:
        if connection.kind == "s3":
            return S3Store(
                connection.bucket,
                endpoint=connection.endpoint or _aws(connection.region),
                region=connection.region or "us-east-1",
                virtual_hosted_style_request=False,
                skip_signature=not secret,
                **({"credential_provider": lambda: _s3_credential(secret)} if secret else {}),
                **common,
            )
        if connection.kind == "azure":
            return AzureStore(
                connection.bucket,
                account_name=str(connection.account),
                endpoint=str(connection.endpoint),
                use_emulator=False,
                **({"account_key": secret["account_key"]} if secret else {"skip_signature": True}),
                **common,
            )
        key = {"service_account_key": secret["service_account"]} if secret else {"skip_signature": True}
        return GCSStore(connection.bucket, **key, **common)
    except Exception as error:  # noqa: BLE001 - obstore raises several classes for a key that it cannot read
        _ = error
        raise fail(
            "depot.credentials",
            f"depot '{name}': the credentials of its secret cannot be read",
            hint="is the key complete, with its line breaks?",
        ) from None


def create(client: Any, key: str, content: bytes) -> bool:
    """Make an object, by one request, unless one of that key is there. Returns whether it was made."""
    import obstore
    from obstore.exceptions import AlreadyExistsError

    try:
        obstore.put(client, key, content, mode="create", use_multipart=False)
    except AlreadyExistsError:
        return False
    return True


def _replace(folder: Folder, path: str, content: bytes) -> None:
    import obstore

    obstore.put(folder.client, folder.key(path), content)


def _s3_credential(secret: Mapping[str, str]) -> Any:
    return {
        "access_key_id": secret["access_key_id"],
        "secret_access_key": secret["secret_access_key"],
        "token": secret.get("session_token"),
        "expires_at": None,
    }


def _aws(region: str | None) -> str:
    region = region or "us-east-1"
    return f"https://s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


async def _missing(entry: DepotEntry, folder: Folder, relative: str) -> DataOSError:
    place = folder.place(relative)
    above, _, name = relative.rpartition("/")
    near = ""
    if not paths.is_pattern(relative):
        inner, files = await folder.children(above)
        near = names.did_you_mean(name, [*inner, *files])
    hint = near or f"is the path right? The depot's root is {folder.place()}"
    return fail("depot.path", f"depot '{entry.name}': nothing to read at {place}", hint=hint)


def _where(connection: ObjectStoreConnection) -> str:
    return connection.location() + (f" ({connection.endpoint})" if connection.endpoint else "")


def failure(name: str, connection: ObjectStoreConnection, error: Exception, timeout_s: float) -> DataOSError | None:
    """What obstore's error on the store of the depot `name` means; None if it is none of obstore's, whose errors have
    one base class, and OSErrors for what is absent or denied."""
    from obstore.exceptions import BaseError

    if not isinstance(error, (BaseError, OSError, ValueError)):
        return None
    return problem(name, connection, error, timeout_s)


def problem(name: str, connection: ObjectStoreConnection, error: BaseException, timeout_s: float) -> DataOSError:
    """A clear Problem for obstore's error on the store of the depot `name`. Its text is matched and never repeated: it
    shows requests."""
    text = str(error)
    where = _where(connection)
    head = f"depot '{name}': {where}"
    if "NoSuchBucket" in text or "ContainerNotFound" in text or "The specified bucket does not exist" in text:
        word = "container" if connection.kind == "azure" else "bucket"
        return fail(
            "depot.no_such_database",
            f"depot '{name}': there is no {word} '{connection.bucket}' at {connection.endpoint or 'the store'}",
            hint=f"correct `{word}`, or `region` and `endpoint` if it lies elsewhere",
        )
    if "PermanentRedirect" in text or "AuthorizationHeaderMalformed" in text or "301 Moved" in text:
        return fail(
            "depot.unreachable",
            f"{head} lies in another region than {connection.region or 'us-east-1'}",
            hint="correct `region` (and `endpoint`)",
        )
    if "RequestTimeTooSkewed" in text:
        return fail(
            "depot.credentials",
            f"{head} refuses the request: the clock of this machine differs too much from the store's",
            hint="set the clock",
        )
    denied = ("SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "AuthenticationFailed",
              "401 Unauthorized", "invalid_grant", "Unauthenticated")  # fmt: skip
    if any(word in text for word in denied) or type(error).__name__ == "UnauthenticatedError":
        return fail(
            "depot.credentials",
            f"{head} refuses the keys of the depot's secret",
            hint="correct the Instance-Secret and apply it again, then the Depot",
        )
    if "AccessDenied" in text or "403 Forbidden" in text or isinstance(error, PermissionError):
        return fail(
            "depot.credentials",
            f"{head} does not let these keys do this",
            hint="they need the rights to list the bucket and to read its objects",
        )
    if any(
        word in text for word in ("SlowDown", "503 Service", "429 Too Many", "500 Internal", "502 Bad", "ServerBusy")
    ):
        return fail(
            "depot.unreachable",
            f"{head} answers that it is overloaded or out of order, also after {_RETRIES} retries",
            hint="repeat it later",
            retry=10.0,
        )
    if "Precondition" in type(error).__name__:
        return fail("depot.path", f"{head}: an object was written anew while it was read", hint="repeat it", retry=1.0)
    if isinstance(error, FileNotFoundError):
        return fail("depot.path", f"{head}: what was there a moment ago is gone", hint="repeat it", retry=1.0)
    if "InvalidPath" in type(error).__name__ or "Encountered empty path segment" in text or "invalid path" in text:
        return fail(
            "depot.path",
            f"{head} holds keys that are no paths (with empty parts, `.` or `..` between slashes)",
            hint="name a folder without them",
        )
    if "operation timed out" in text or "TimedOut" in text or "kind: Timeout" in text:
        return fail(
            "depot.timeout",
            f"{head} did not answer within {timeout_s * 2:g} s",
            hint="are endpoint and port right, and does a firewall let this machine through?",
            retry=5.0,
        )
    why = "the connection failed"
    if "ConnectionRefused" in text:
        why = "it refused the connection"
    elif "dns error" in text:
        why = "the host name is not known"
    elif "certificate" in text.lower() or "UnknownIssuer" in text:
        why = "its certificate is not trusted"
    elif "InvalidContentType" in text or "CorruptMessage" in text:
        why = "it does not speak TLS there"
    hint = "are `endpoint` (http:// or https://) and port right, and is the store running?"
    if why == "its certificate is not trusted":
        hint = "put the certificate of its authority (PEM) into the depot's secret as `ca_file`"
    return fail("depot.unreachable", f"depot '{name}': cannot reach {where}: {why}", hint=hint, retry=5.0)
