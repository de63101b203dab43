"""What the page of a product shows to one viewer (ch09 6.3): everything is decided for who asks; no source is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from dataos.control import records
from dataos.core.addresses import Udl
from dataos.core.clock import Clock, from_us, rfc3339
from dataos.core.errors import fail
from dataos.governance import explaining, knowing, objects
from dataos.governance.decisions import DecisionPoint
from dataos.governance.exposure import DatasetName
from dataos.governance.principals import Principal
from dataos.kinds.product import index, levels, listing, neighbours, quality
from dataos.kinds.product.columns import DatasetColumns, Shape
from dataos.kinds.product.controller import CONSUMED_US, stage_of, stored_manifest
from dataos.kinds.product.index import BUNDLE, INPUT, LENS, MEMBER, OUTPUT, SERVICE
from dataos.kinds.product.spec import ProductSpec
from dataos.manifest.documents import Manifest
from dataos.metadata import entities
from dataos.store import tables
from dataos.store.database import Store

FULL, RESTRICTED, NONE = "Full Access", "Restricted Access", "No Access"


class Pages:
    """Reads products for one viewer each time."""

    def __init__(self, store: Store, clock: Clock, point: DecisionPoint, columns: DatasetColumns) -> None:
        self._store = store
        self._clock = clock
        self._point = point
        self._columns = columns
        self._shelf = listing.Shelf()

    # --- lists ------------------------------------------------------------------------------------------------------

    async def listing(
        self, principal: Principal, wanted: listing.Wanted, after: str | None, limit: int
    ) -> dict[str, Any]:
        """A page of cards: {items, next, total}. `after`: id of the last card of the page before."""

        def read(connection: sa.Connection) -> dict[str, Any]:
            found = listing.cards(connection, self._shelf, principal, wanted, self._today())
            start = 0
            if after is not None:
                start = next((i + 1 for i, c in enumerate(found) if c.row.name == after), len(found))
            page = found[start : start + limit]
            badges = listing.badges_of(connection, [c.row.uid for c in page])
            more = start + limit < len(found)
            return {
                "items": [listing.shown(c, badges.get(c.row.uid, {})) for c in page],
                "next": page[-1].row.name if page and more else None,
                "total": len(found),
            }

        return await self._store.read(read)

    async def facets(self, principal: Principal, wanted: listing.Wanted) -> list[dict[str, Any]]:
        """Filter groups with counts, of what the viewer sees."""

        def read(connection: sa.Connection) -> list[dict[str, Any]]:
            return listing.facets(listing.cards(connection, self._shelf, principal, wanted, self._today()))

        return await self._store.read(read)

    def _today(self) -> Any:
        return from_us(self._clock.now_us()).date()

    # --- one product ------------------------------------------------------------------------------------------------

    async def page(self, principal: Principal, name: str) -> dict[str, Any]:
        """Header, people, stage, banner, references with their health, tabs. Raises `resource.not_found`."""
        return await self._store.read(self._page, principal, name)

    def _find(
        self, connection: sa.Connection, principal: Principal, name: str
    ) -> tuple[sa.Row[Any], sa.Row[Any], Manifest, dict[str, Any]]:
        row = index.living(connection, name)
        if row is None or not listing.may_see(principal, row):
            raise fail("resource.not_found", f"no data product `{name}`", hint="dataos product get -a lists them")
        resource, manifest, document = stored_manifest(connection, name)
        return row, resource, manifest, document

    def _page(self, connection: sa.Connection, principal: Principal, name: str) -> dict[str, Any]:
        row, resource, manifest, _ = self._find(connection, principal, name)
        spec: ProductSpec = manifest.spec
        m, u = tables.product_marks, tables.users
        mine = (m.c.uid == row.uid, m.c.user == str(principal.user_id))
        mark = connection.execute(sa.select(m).where(*mine)).first()
        stage = stage_of(row, self._today())
        people = [row.owner, *(user for user, _ in spec.collaborators)]
        names = {r.id: r.name for r in connection.execute(sa.select(u.c.id, u.c.name).where(u.c.id.in_(people)))}
        favorite, opened = (mark.favorite_at, mark.opened_at) if mark is not None else (None, None)
        card = listing.Card(row, stage, names.get(row.owner, row.owner), favorite, opened)
        badges = listing.badges_of(connection, [row.uid]).get(row.uid, {})
        refs = index.refs(connection, row.uid)
        hidden = self._hidden(connection, principal, [r.target for r in refs])
        text = spec.documentation
        return {
            **listing.shown(card, badges),
            "purpose": spec.purpose,
            "links": [{"title": title, "href": href} for title, href in spec.links],
            "sourceCodeUrl": _text(spec.meta.get("sourceCodeUrl")),
            "trackerUrl": _text(spec.meta.get("trackerUrl")),
            "meta": {k: v for k, v in spec.meta.items() if k not in ("title", "sourceCodeUrl", "trackerUrl")},
            "people": [{"id": user, "name": names.get(user, user), "role": role} for user, role in spec.collaborators],
            "contractVersion": spec.contract_version,
            "documentation": text if isinstance(text, str) else None,
            "support": spec.support.model_dump(exclude_none=True) if spec.support is not None else None,
            "related": [id_ for id_ in spec.related if id_],
            "generation": resource.generation,
            "created": rfc3339(row.created_at),
            "refs": [self._ref(connection, r, hidden) for r in refs],
            "tabs": _tabs(spec, row.draft),
            "consumedBy": neighbours.readers(connection, name),
        }

    @staticmethod
    def _ref(connection: sa.Connection, ref: sa.Row[Any], hidden: set[str]) -> dict[str, Any]:
        missing = ref.missing
        shown = knowing.RESTRICTED if ref.target in hidden else index.shown(ref.side, ref.target)
        status, runtime = "", ""
        if ref.side in (BUNDLE, MEMBER, LENS, SERVICE):
            found = records.find(connection, index.key_of(ref.target))
            status, runtime = (found.status, found.runtime or "") if found is not None else ("absent", "")
        if ref.target in hidden:
            missing = "not resolved" if missing else ""
        failed = runtime in ("failed", "aborted") or status == "error"
        health = "missing" if missing else "failing" if failed else "ok"
        why = missing.partition(": ")[0]
        return {"side": ref.side, "ref": shown, "health": health, "reason": why, "status": status, "runtime": runtime}

    # --- datasets ---------------------------------------------------------------------------------------------------

    async def datasets(self, principal: Principal, name: str, side: str) -> list[dict[str, Any]]:
        """Inputs or outputs with columns, tags, access label. Raises `resource.not_found`."""

        def read(connection: sa.Connection) -> list[Any]:
            row, *_ = self._find(connection, principal, name)
            made = neighbours.edges(connection)[1]
            refs = [r for r in index.refs(connection, row.uid) if r.side == side]
            return [
                (r, address)
                for r in refs
                for address in ([r.target] if r.target.startswith("dataos://") else
                                sorted(made.get(index.product_name(r.target), ())))
            ]  # fmt: skip

        found: list[dict[str, Any]] = []
        for ref, address in await self._store.read(read):
            shape = await self._columns.shape(Udl.parse(address))
            found.append(await self._store.read(self._dataset, principal, ref, address, shape))
        return found

    def _dataset(
        self,
        connection: sa.Connection,
        principal: Principal,
        ref: sa.Row[Any],
        address: str,
        shape: Shape,
    ) -> dict[str, Any]:
        access = self._access(connection, principal, address, [c["name"] for c in shape.columns])
        if access["label"] == NONE:
            return _restricted()
        udl = Udl.parse(address)
        known = entities.find(connection, address)
        tagged = entities.tags(connection, address)
        depot = connection.execute(sa.select(tables.depots.c.type).where(tables.depots.c.name == udl.depot)).scalar()
        others = index.pointing(connection, [address], [INPUT, OUTPUT])
        denied = {c["column"].lower() for c in access["columns"] if c["shown"] == "denied"}
        whole = access["label"] == FULL  # numbers of rows are of all rows
        return {
            "address": address,
            "name": udl.dataset or udl.depot,
            "description": (known.description if known is not None else "") or ref.description,
            "purpose": ref.purpose,
            "source": str(depot or ""),
            "owner": known.owner if known is not None else "",
            "tags": list(tagged.get("", ())),
            "rows": shape.rows if whole else None,
            "rowsWritten": known.rows if known is not None and whole else None,
            "writtenAt": rfc3339(known.written_at) if known is not None else None,
            "access": access["label"],
            "columns": [
                {**c, "tags": list(tagged.get(c["name"], ()))} for c in shape.columns if c["name"].lower() not in denied
            ],
            "products": [
                {"id": f"data:{o.version}:{o.name}", "title": o.title, "side": o.side}
                for o in others
                if listing.may_see(principal, o)
            ],
            "health": "missing" if ref.missing else "ok",
        }

    async def access(self, principal: Principal, name: str, address: str) -> dict[str, Any]:
        """What policies leave the viewer of one dataset of the product: label, filters, columns with their masks.
        Raises `resource.not_found`."""

        def read(connection: sa.Connection) -> str:
            row, *_ = self._find(connection, principal, name)
            known = [r.target for r in index.refs(connection, row.uid) if r.side in (INPUT, OUTPUT)]
            wanted = str(Udl.parse(address)) if address else ""
            if wanted not in known:
                raise fail("resource.not_found", f"`{wanted}` is no dataset of product `{name}`", hint="ref=ADDRESS")
            return wanted

        wanted = await self._store.read(read)
        columns = [c["name"] for c in (await self._columns.shape(Udl.parse(wanted))).columns]
        return await self._store.read(self._access, principal, wanted, columns)

    def _access(
        self, connection: sa.Connection, principal: Principal, address: str, columns: Sequence[str]
    ) -> dict[str, Any]:
        policies = self._point.now(connection)
        user = principal.subject_tags
        name = DatasetName.of(Udl.parse(address))
        address = objects.address(name)
        tags = knowing.column_tags(connection, [address]).get(address, {})
        allowed, rules = knowing.readable(policies, user, name, tags.get(("",), ()))
        if not allowed:
            return {"label": NONE, "filters": [], "columns": [], "policies": list(rules), "masked": 0}
        paths = list(dict.fromkeys([*((c.lower(),) for c in columns), *(p for p in tags if p != ("",))]))
        exposure = policies.exposure(user, name)
        spelled = {c.lower(): c for c in columns}
        found: list[dict[str, Any]] = []
        for entry, path in zip(explaining.columns(policies, user, name, paths, tags), paths, strict=True):
            mask = exposure.mask(path, tags)
            operator = _operator(mask.mask) if mask is not None and entry["shown"] == "masked" else None
            found.append({"column": spelled.get(entry["column"], entry["column"]), "shown": entry["shown"],
                          "masking": operator, "policy": entry["policy"]})  # fmt: skip
        filters = explaining.filters(policies, user, name)
        unseen = () if columns else exposure.masking(tags)
        whole = not filters and not unseen and all(c["shown"] == "raw" for c in found)
        return {
            "label": FULL if whole else RESTRICTED,
            "filters": filters,
            "columns": found,
            "policies": sorted({p for c in found if (p := c["policy"])} | {f["policy"] for f in filters}),
            "masked": sum(1 for c in found if c["shown"] == "masked"),
        }

    def _hidden(self, connection: sa.Connection, principal: Principal, targets: Sequence[str]) -> set[str]:
        """Datasets of which the viewer may not know."""
        return knowing.unreadable(connection, self._point.now(connection), principal.subject_tags, targets)

    # --- quality, usage, levels, graph ------------------------------------------------------------------------------

    async def quality(self, principal: Principal, name: str, category: str | None) -> dict[str, Any]:
        """Categories with trend and adherence, and each check with its newest result; only of datasets that the viewer
        may read, and of columns that are not denied. Raises `resource.not_found`."""

        def read(connection: sa.Connection) -> dict[str, Any]:
            row, _, manifest, _ = self._find(connection, principal, name)
            spec: ProductSpec = manifest.spec
            addresses = _addresses(connection, row.uid)
            hidden = self._hidden(connection, principal, addresses)
            addresses = [a for a in addresses if a not in hidden]
            found = quality.results(connection, addresses)
            badges = quality.badges([r for rs in quality.newest(connection, addresses).values() for r in rs])
            groups = {c: [r for r in found if r.category == c] for c in quality.CATEGORIES}
            chosen = found if category is None else groups.get(category, [])
            sights = knowing.sights(connection, self._point.now(connection), principal.subject_tags, addresses)
            listed = [r for r in chosen if not (r.column and sights[r.address].denied(r.column))]
            declared = quality.declared((str(d.address), d.checks) for d in spec.outputs if d.address is not None)
            return {
                "categories": [
                    {"name": c, **badges[c], **quality.of_category(groups[c])}
                    for c in quality.CATEGORIES
                    if c in badges
                ],
                "checks": quality.checks(listed),
                "declared": [d for d in declared if d["dataset"] in addresses],
                **quality.of_category(chosen),
            }

        return await self._store.read(read)

    async def usage(self, principal: Principal, name: str) -> dict[str, Any]:
        """Users and statements of the last 30 days on its outputs. Names of users are for its editors."""

        def read(connection: sa.Connection) -> dict[str, Any]:
            row, *_ = self._find(connection, principal, name)
            outputs = [r.target for r in index.refs(connection, row.uid) if r.side == OUTPUT]
            used = neighbours.consumers(connection, outputs, self._clock.now_us() - CONSUMED_US)
            m = tables.product_marks
            since = (m.c.uid == row.uid, m.c.opened_at >= self._clock.now_us() - CONSUMED_US)
            viewers = connection.execute(sa.select(sa.func.count()).select_from(m).where(*since)).scalar_one()
            shows = levels.knows_people(principal, row)
            by = sorted(used.items(), key=lambda u: -sum(u[1].values()))
            return {
                "days": 30,
                "users": len(used),
                "queries": sum(n for of in used.values() for n in of.values()),
                "viewers": int(viewers),
                "byUser": [{"user": user, "queries": sum(of.values())} for user, of in by] if shows else [],
            }

        return await self._store.read(read)

    async def levels(self, principal: Principal, name: str) -> dict[str, Any]:
        """Service levels: what is measured anyway, and the targets of the manifest with how they are kept. Names that
        policy hides are not told."""

        def read(connection: sa.Connection) -> dict[str, Any]:
            row, _, manifest, _ = self._find(connection, principal, name)
            found = levels.measure(connection, row, manifest.spec, self._clock.now_us())
            about = [entry["dataset"] for entry in (*found["freshness"], *found["slos"]) if entry["dataset"]]
            hidden = self._hidden(connection, principal, about)
            return {
                **found,
                "freshness": [entry for entry in found["freshness"] if entry["dataset"] not in hidden],
                "slos": [
                    {**slo, "dataset": knowing.RESTRICTED} if slo["dataset"] in hidden else slo for slo in found["slos"]
                ],
            }

        return await self._store.read(read)

    async def graph(self, principal: Principal, name: str) -> dict[str, Any]:
        """The product between what it reads and what it makes: {nodes, edges}. Names that policy hides are not told."""

        def read(connection: sa.Connection) -> dict[str, Any]:
            row, *_ = self._find(connection, principal, name)
            refs = index.refs(connection, row.uid)
            hidden = self._hidden(connection, principal, [r.target for r in refs])
            me = f"data:{row.version}:{row.name}"
            nodes: dict[str, dict[str, Any]] = {me: {"id": me, "kind": "product", "title": row.title}}
            edges: list[dict[str, str]] = []
            for ref in refs:
                restricted = ref.target in hidden
                id_ = f"restricted:{ref.position}" if restricted else index.shown(ref.side, ref.target)
                title = knowing.RESTRICTED if restricted else id_
                kind = "dataset" if ref.target.startswith("dataos://") else ref.side
                nodes.setdefault(id_, {"id": id_, "kind": kind, "title": title})
                ends = (id_, me) if ref.side == INPUT else (me, id_)
                edges.append({"from": ends[0], "to": ends[1], "kind": ref.side})
            for other in neighbours.readers(connection, row.name):
                found = index.living(connection, other)
                if found is not None and listing.may_see(principal, found):
                    id_ = f"data:{found.version}:{found.name}"
                    nodes.setdefault(id_, {"id": id_, "kind": "product", "title": found.title})
                    edges.append({"from": me, "to": id_, "kind": "consumer"})
            return {"nodes": list(nodes.values()), "edges": edges}

        return await self._store.read(read)


def _restricted() -> dict[str, Any]:
    """A dataset of which the viewer may know that it is there, and no more."""
    texts = dict.fromkeys(("description", "purpose", "source", "owner"), "")
    lists: dict[str, list[Any]] = {"tags": [], "columns": [], "products": []}
    none = dict.fromkeys(("address", "rows", "rowsWritten", "writtenAt"))
    return {"name": knowing.RESTRICTED, "access": NONE, "health": "restricted", **texts, **lists, **none}


def _addresses(connection: sa.Connection, uid: str) -> list[str]:
    found = [r.target for r in index.refs(connection, uid) if r.side in (INPUT, OUTPUT)]
    return list(dict.fromkeys(t for t in found if t.startswith("dataos://")))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _tabs(spec: ProductSpec, draft: bool) -> list[str]:
    """Which parts of the page are there (ch09 6.3)."""
    if draft:
        return ["Overview"]
    model = bool(spec.ports.lens)
    found = [
        ("Overview", True),
        ("Inputs", bool(spec.inputs)),
        ("Outputs", bool(spec.outputs)),
        ("Semantic Model", model),
        ("Metrics", model),
        ("Quality", True),
        ("Access Options", model or bool(spec.ports.services)),
    ]
    return [name for name, there in found if there]


def _operator(mask: Any) -> str:
    """A mask as its manifest says it: `hash({"algo":"sha256"})`."""
    given: dict[str, Any] = {
        "algo": mask.algo if mask.operator == "hash" else None,
        "replacement": mask.replacement,
        "buckets": list(mask.buckets) or None,
        "precision": mask.precision if mask.operator == "bucket_date" else None,
        "pattern": mask.pattern,
    }
    arguments = {key: value for key, value in given.items() if value}
    return f"{mask.operator}({json.dumps(arguments, separators=(',', ':'))})" if arguments else mask.operator
