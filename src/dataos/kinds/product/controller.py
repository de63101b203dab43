"""Data Product: registered at once, active by itself when everything that it points at is there (ch09 3).

A product runs nothing and owns nothing: it describes. What it points at may come later, and never blocks an apply.
"""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa

from dataos.control import inbox, records
from dataos.control.generations import read_stored
from dataos.control.ports import Made, Observed, ResourceView, service_record
from dataos.core.addresses import Udl
from dataos.core.clock import Clock, from_us, to_us
from dataos.core.errors import DataOSError, Problem, fail
from dataos.core.ids import UserId
from dataos.governance import rules
from dataos.governance.identities import Identities
from dataos.governance.principals import Principal
from dataos.kinds.product import contract, index, neighbours, stages, targets
from dataos.kinds.product.columns import Columns, DatasetColumns
from dataos.kinds.product.contract import Shape
from dataos.kinds.product.spec import ProductSpec
from dataos.manifest import registry
from dataos.manifest.documents import Manifest
from dataos.store import tables
from dataos.store.database import Store

EDITORS = ("owner", "developer")
"""Roles of collaborators who may change a product (ch09 3.6)."""
CONSUMED_US = 30 * 86_400 * 1_000_000
"""Whoever asked within that time is a consumer."""
_SOON_S, _LATER_S, _DAY_S = 2.0, 120.0, 86_400.0


class ProductController:
    """The `data` kind."""

    def __init__(self, store: Store, clock: Clock, identities: Identities, columns: DatasetColumns) -> None:
        self._store = store
        self._clock = clock
        self._identities = identities
        self._columns = columns

    # --- before it is stored ----------------------------------------------------------------------------------------

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """A promise that would be broken without a new major version. What is missing is no fault."""
        spec: ProductSpec = manifest.spec
        row = await self._store.read(index.living, manifest.meta.name)
        if (
            row is None
            or row.contract_version is None
            or contract.is_major(row.contract_version, spec.contract_version)
        ):
            return []
        columns = await self._seen_by(actor)
        now = await _shapes(contract.outputs_of(spec), columns)
        broken = contract.breaks(row.contract, contract.outputs_of(spec), now)
        major = int(str(row.contract_version).partition(".")[0])
        hint = f"set contract.version to {major + 1}.0.0, or keep what version {row.contract_version} promises"
        path = f"{manifest.section_key}.data." + ("contract.version" if spec.contract_version else "outputs")
        return [Problem("product.contract", f"a breaking change: {text}", hint=hint, path=path) for text in broken]

    async def _seen_by(self, user: UserId) -> Columns:
        """Columns as somebody may know them; none for who is no user any more."""

        async def none(_: Udl) -> list[dict[str, str]]:
            return []

        try:
            return self._columns.seen_by(await self._store.read(self._identities.principal, str(user)))
        except DataOSError:
            return none

    async def advise(self, manifest: Manifest, actor: UserId, warnings: list[Problem]) -> list[Problem]:
        """What is not there yet, people who are not known, circles, outputs of two products, and products alike."""
        return [*warnings, *await self._store.read(self._advice, manifest)]

    def _advice(self, connection: sa.Connection, manifest: Manifest) -> list[Problem]:
        spec: ProductSpec = manifest.spec
        name, refs = manifest.meta.name, index.refs_of(spec)
        data = f"{manifest.section_key}.data"
        found: list[Problem] = []

        def warn(code: str, text: str, path: str, hint: str = "") -> None:
            found.append(Problem(f"product.{code}", text, hint=hint, path=path))

        for position, text in targets.missing(connection, refs).items():
            why, _, command = text.partition(": ")
            warn("unresolved", f"{why}: the product is pending until it is", _place(data, refs, position), command)
        for position, (user, _) in enumerate(spec.collaborators):
            if not self._identities.user_exists(connection, user):
                text = f"no user `{user}`: shown as written"
                warn("person", text, f"{data}.collaborators[{position}].name", "dataos user get -a lists them")
        way = neighbours.circle(connection, name, refs)
        if way:
            warn("circle", f"its inputs come of its own outputs: {' <- '.join(way)}", f"{data}.inputs")
        for address, others in neighbours.claimed(connection, name, refs).items():
            position = next(i for i, r in enumerate(refs) if r.side == index.OUTPUT and r.target == address)
            text = f"{address} is an output of {', '.join(others)} too"
            warn("claimed", text, _place(data, refs, position), "one product answers for a dataset: agree on which")
        if index.living(connection, name) is None:
            for other, shared in neighbours.similar(connection, name, refs, spec.use_cases).items():
                hint = f"look at it first: dataos product get -n {other} -a -d"
                warn("similar", f"product `{other}` has {shared}", data, hint)
        return found

    # --- who may change it ------------------------------------------------------------------------------------------

    def editors(self, connection: sa.Connection, row: sa.Row[Any]) -> frozenset[str]:
        """Its owner, and collaborators who own or develop it."""
        found = connection.execute(sa.select(tables.products).where(tables.products.c.uid == row.uid)).first()
        people = [] if found is None else [user for user, role in found.people if is_editor(role)]
        return frozenset({row.owner, *people})

    def check_change(
        self, connection: sa.Connection, principal: Principal, manifest: Manifest, row: sa.Row[Any] | None
    ) -> None:
        """Who edits a product for its owner does not give it to others. Raises `auth.forbidden`."""
        owner = manifest.meta.owner
        if row is None or not owner or owner == row.owner or principal.user_id == row.owner:
            return
        rules.require(
            principal, f"make `{owner}` the owner of {manifest.id}", rules.PRODUCTS, records.thing(connection, row)
        )

    def holders(self, connection: sa.Connection, row: sa.Row[Any]) -> list[str]:
        """Products that read its outputs, and users of the last 30 days."""
        found = [f"'data product {name}'" for name in neighbours.readers(connection, row.name)]
        known = index.living(connection, row.name)
        if known is None:
            return found
        outputs = [r.target for r in index.refs(connection, known.uid) if r.side == index.OUTPUT]
        since = self._clock.now_us() - CONSUMED_US
        users = sorted(set(neighbours.consumers(connection, outputs, since)) - self.editors(connection, row))
        return [*found, *(f"user `{user}` (queries of the last 30 days)" for user in users)]

    def stored(self, connection: sa.Connection, manifest: Manifest, uid: str, actor: str) -> None:
        """In the Hub with the same transaction."""
        index.register(connection, manifest, uid, self._clock.now_us())

    def removed(self, connection: sa.Connection, uid: str, name: str, actor: str) -> None:
        """Out of the Hub at once."""
        index.unregister(connection, uid, self._clock.now_us())

    # --- making it so -----------------------------------------------------------------------------------------------

    async def reconcile(self, view: ResourceView) -> Observed:
        """Look for what it points at; promise what its outputs are like; tell consumers of its end."""
        spec: ProductSpec = view.manifest.spec
        refs = index.refs_of(spec)
        now_us = self._clock.now_us()
        today = from_us(now_us).date()
        seen = await self._seen_by(view.owner)
        shapes = await _shapes(contract.outputs_of(spec), seen) if spec.contract_version else {}

        def look(connection: sa.Connection) -> tuple[dict[int, str], str]:
            view.lease.check(connection)
            missing = targets.missing(connection, refs)
            index.set_missing(connection, str(view.uid), missing)
            row = connection.execute(sa.select(tables.products).where(tables.products.c.uid == view.uid)).one()
            self._promise(connection, view, spec, shapes, row)
            stage = stage_of(row, today)
            if stage == stages.DEPRECATED:
                self._announce(connection, view.manifest, spec, now_us)
            return missing, stage

        missing, stage = await self._store.write(look)
        change = stages.next_change(index.lifecycle(spec), today)
        at = to_us(datetime.datetime.combine(change, datetime.time(), datetime.UTC)) if change else None
        if spec.draft:
            return Observed(
                status="pending", info="a draft: it has no spec yet", state=dict(view.state), again_at_us=at
            )
        state = {k: v for k, v in view.state.items() if k != "since"}
        if missing:
            since = int(view.state.get("since") or now_us)
            # what is a Resource tells when it comes; datasets are looked for, less and less often
            waited_s = (now_us - since) / 1e6
            again = now_us + int(min(max(waited_s / 2, _SOON_S), _LATER_S) * 1e6)
            info = "; ".join(text.partition(": ")[0] for text in missing.values())
            return Observed(
                status="pending",
                info=info,
                wanted=len(refs),
                processed=len(refs) - len(missing),
                state={**state, "since": since},
                again_at_us=min(again, at) if at else again,
            )
        if stage == stages.DEPRECATED:
            at = min(at or now_us + int(_DAY_S * 1e6), now_us + int(_DAY_S * 1e6))
        return Observed(info=f"stage {stage}", wanted=len(refs), processed=len(refs), state=state, again_at_us=at)

    def _promise(
        self, connection: sa.Connection, view: ResourceView, spec: ProductSpec, shapes: Shape, row: sa.Row[Any]
    ) -> None:
        if spec.contract_version is None:
            return
        anew = view.state.get("promised") not in (None, spec.contract_version) and contract.is_major(
            str(view.state["promised"]), spec.contract_version
        )
        wanted = contract.promise(row.contract, contract.outputs_of(spec), shapes, anew=anew)
        view.state["promised"] = spec.contract_version
        if wanted != row.contract:
            connection.execute(
                tables.products.update().where(tables.products.c.uid == view.uid).values(contract=wanted)
            )

    def _announce(self, connection: sa.Connection, manifest: Manifest, spec: ProductSpec, now_us: int) -> None:
        """Whoever used it hears of its end, once for each thing that is said of it."""
        told = stages.banner(index.lifecycle(spec), stages.DEPRECATED)
        assert told is not None  # noqa: S101 - a deprecated product has one
        text = f"{spec.title}: {told['text']}"
        used = neighbours.consumers(connection, contract.outputs_of(spec), now_us - CONSUMED_US)
        for user, datasets in used.items():
            inbox.tell(
                connection, user, "product.deprecated", manifest.id, text, {"datasets": datasets, **told}, now_us
            )

    async def delete(self, view: ResourceView) -> bool:
        """It owns nothing: Bundle, datasets and ports stay."""
        return True

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """Its page."""
        return Made(
            kept=(service_record(row.uid, "hub", "product", f"/api/v1/products/data/{row.version}/{row.name}"),)
        )


async def _shapes(addresses: list[str], columns: Columns) -> dict[str, list[list[str]]]:
    found = {address: await columns(Udl.parse(address)) for address in addresses}
    return {address: [[c["name"], c["type"]] for c in of] for address, of in found.items() if of}


def is_editor(role: str) -> bool:
    """`owner`, `data product owner`, `developer` ..."""
    return any(word in role.lower().split() for word in EDITORS)


def stage_of(row: sa.Row[Any], today: datetime.date) -> str:
    """The stage of a product's row."""
    return stages.stage(
        row.lifecycle,
        draft=row.draft,
        resolved=row.resolved,
        tiers=row.tiers,
        today=today,
        deleted=row.deleted_at is not None,
    )


def _place(data: str, refs: list[index.Ref], position: int) -> str:
    """Where a reference stands in the manifest."""
    ref = refs[position]
    number = sum(1 for r in refs[:position] if r.side == ref.side)
    keys = {
        index.INPUT: f"inputs[{number}].ref",
        index.OUTPUT: f"outputs[{number}].ref",
        index.BUNDLE: "resource.ref",
        index.MEMBER: f"resources[{number}]",
        index.LENS: f"ports.lens[{number}].ref",
        index.SERVICE: f"ports.talos[{number}].ref",
        index.RELATED: f"relatedDataProducts[{number}]",
    }
    return f"{data}.{keys[ref.side]}"


def stored_manifest(connection: sa.Connection, name: str) -> tuple[sa.Row[Any], Manifest, dict[str, Any]]:
    """Row, canonical manifest and stored document of a living product. Raises DataOSError `resource.not_found`."""
    kind = registry.need_kind("data")
    rows = sa.select(tables.resources).where(tables.resources.c.live_key == f"{kind.type}//{name}")
    row = connection.execute(rows).first()
    stored = records.manifest_of(connection, row.uid, row.generation) if row is not None else None
    if row is None or stored is None:
        raise fail("resource.not_found", f"no data product `{name}`", hint="dataos product get -a lists them")
    return row, read_stored(stored.manifest), stored.manifest
