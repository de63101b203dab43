"""Policies: in force from the moment they are stored, out of force with the call that deletes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, cast

import sqlalchemy as sa

from dataos.control.ports import Made, Observed, ResourceView, service_record
from dataos.core import names
from dataos.core.addresses import Udl
from dataos.core.errors import Problem, fail
from dataos.core.ids import UserId
from dataos.core.names import folded
from dataos.depots.resolver import list_entries
from dataos.depots.types.iceberg.adapter import warehouse
from dataos.governance import artifacts, changes, decisions, grants, objects, policies, randomised, rules
from dataos.governance.decisions import DecisionPoint
from dataos.governance.globs import compile_glob
from dataos.governance.policies import AccessObject, AccessRule, DataRule, Filter, Mask, Rule
from dataos.governance.principals import OPERATOR_TAG, Principal, subject_tags
from dataos.governance.shipped import COLUMN_TAGS
from dataos.kinds.policy.spec import AccessPolicy, DataPolicy, PolicySpec
from dataos.manifest.documents import Manifest
from dataos.store import tables
from dataos.store.database import Store

_d = tables.datasets
_SHOWN = 5


class PolicyController:
    """The `policy` kind."""

    def __init__(self, store: Store, point: DecisionPoint) -> None:
        self._store = store
        self._point = point

    # --- what the server knows better than the offline validation ---------------------------------------------------

    async def check(self, manifest: Manifest, actor: UserId) -> list[Problem]:
        """Subject tags outside of every namespace, masks that no text can be made of, filters on missing columns."""
        return await self._store.read(self._check, manifest)

    def _check(self, connection: sa.Connection, manifest: Manifest) -> list[Problem]:
        spec: PolicySpec = manifest.spec
        globs = artifacts.namespaces(connection, "subject")
        found: list[Problem] = []
        for path, tag in _subjects(spec):
            if not grants.in_namespaces(tag, globs):
                hint = "tag-namespaces of subjects: " + ", ".join(globs)
                found.append(
                    Problem(
                        "policy.subject", f"subject tag `{tag}` is outside of every tag-namespace", hint=hint, path=path
                    )
                )
        if spec.data is not None:
            found += _check_mask(spec.data)
            found += self._check_filters(connection, spec.data)
        return found

    @staticmethod
    def _check_filters(connection: sa.Connection, data: DataPolicy) -> list[Problem]:
        if data.type != "filter" or any(
            not compile_glob(n).literal for n in (data.depot, data.collection, data.dataset)
        ):
            return []
        found: list[Problem] = []
        for address, columns in _known(connection, data):
            for position, filter_ in enumerate(data.filters):
                if filter_.column.lower() not in columns:
                    near = names.did_you_mean(filter_.column.lower(), columns)
                    text = f"{address} has no column `{filter_.column}`"
                    path = f"policy.data.filters[{position}].column"
                    found.append(
                        Problem("policy.filter", text, hint=near or "columns: " + ", ".join(columns), path=path)
                    )
        return found

    async def advise(self, manifest: Manifest, actor: UserId, warnings: list[Problem]) -> list[Problem]:
        """Patterns that match nothing that is known, and tags that nobody gave."""
        return [*warnings, *await self._store.read(self._advise, manifest)]

    def _advise(self, connection: sa.Connection, manifest: Manifest) -> list[Problem]:
        spec: PolicySpec = manifest.spec
        found = _advise_subjects(connection, spec)
        if spec.access is not None:
            found += _advise_access(connection, spec.access)
        if spec.data is not None:
            found += _advise_data(connection, spec.data)
        return found

    # --- in force ---------------------------------------------------------------------------------------------------

    def check_authority(self, principal: Principal, manifest: Manifest) -> None:
        """Data policies are of those who manage them, access policies of whoever governs, also where one takes the
        place of the other."""
        spec: PolicySpec = manifest.spec
        case = rules.DATA_POLICIES if spec.data is not None and manifest.layer != "system" else rules.GOVERNANCE
        stored = self._point_rule(principal, manifest.meta.name)
        if stored is not None and (isinstance(stored, AccessRule) or stored.layer == "system"):
            case = rules.GOVERNANCE
        rules.require(principal, f"apply {manifest.id}", case)

    def check_removal(self, principal: Principal, row: sa.Row[Any]) -> None:
        """As storing one: without it, more may be seen."""
        case = rules.GOVERNANCE if row.layer == "system" else rules.DATA_POLICIES
        stored = self._point_rule(principal, row.name)
        if isinstance(stored, AccessRule) or stored is None:
            case = rules.GOVERNANCE
        rules.require(principal, f"delete policy `{row.name}`", case)

    @staticmethod
    def _point_rule(principal: Principal, name: str) -> Rule | None:
        return principal.policies.rules.get(_key(name))

    def stored(self, connection: sa.Connection, manifest: Manifest, uid: str, actor: str) -> None:
        """Put it in force. Raises DataOSError `policy.lockout` if nobody could govern any more."""
        name, rule = manifest.meta.name, rule_of(manifest)
        decisions.write(connection, {_key(name): rule})
        said = policies.to_json(rule) if rule is not None else {"archived": True}
        changes.note(connection, "policy.stored", _key(name), actor, said)
        _check_lockout(connection, self._point, manifest.meta.name)

    def removed(self, connection: sa.Connection, uid: str, name: str, actor: str) -> None:
        """Take it out of force."""
        decisions.write(connection, {_key(name): None})
        changes.note(connection, "policy.removed", _key(name), actor)

    async def reconcile(self, view: ResourceView) -> Observed:
        """It is in force since it was stored."""
        spec: PolicySpec = view.manifest.spec
        archived = spec.data is not None and spec.data.archived
        return Observed(info="archived: not in force" if archived else "in force", state=dict(view.state))

    async def delete(self, view: ResourceView) -> bool:
        """It went out of force with the call."""
        return True

    def made(self, connection: sa.Connection, row: sa.Row[Any]) -> Made:
        """The rule that decides."""
        return Made(kept=(service_record(row.name, "heimdall", "policy", f"/heimdall/api/v1/policies/{row.name}"),))


def rule_of(manifest: Manifest) -> Rule | None:
    """The rule that a manifest says; None for one that is archived."""
    spec: PolicySpec = manifest.spec
    if spec.access is not None:
        access = spec.access
        return AccessRule(
            manifest.meta.name, access.subjects, access.predicates, access.paths, access.object_tags, access.allow,
            layer=manifest.layer, description=access.description,
        )  # fmt: skip
    data = spec.data
    if data is None or data.archived:
        return None
    mask = data.mask
    return DataRule(
        name=manifest.meta.name,
        type=cast("Literal['mask', 'filter']", data.type),
        priority=data.priority,
        user_tags=data.user_tags,
        match_all=data.match_all,
        depot=data.depot,
        collection=data.collection,
        dataset=data.dataset,
        column_tags=data.column_tags,
        column_names=data.column_names,
        mask=Mask(mask.operator, mask.algo, mask.replacement, mask.buckets, mask.precision, mask.pattern, mask.keyed)
        if mask is not None
        else None,
        filters=tuple(Filter(f.column, f.operator, f.value, f.attribute) for f in data.filters),
        layer=manifest.layer,
        description=data.description,
    )


def _key(name: str) -> str:
    return f"policy:{name}"


def _subjects(spec: PolicySpec) -> Iterable[tuple[str, str]]:
    if spec.access is not None:
        for position, group in enumerate(spec.access.subjects):
            yield from ((f"policy.access.subjects.tags[{position}]", tag) for tag in group)
    if spec.data is not None:
        for position, tag in enumerate(spec.data.user_tags):
            yield f"policy.data.selector.user.tags[{position}]", tag


def _check_mask(data: DataPolicy) -> list[Problem]:
    mask = data.mask
    if mask is None or mask.operator != "rand_regexify":
        return []
    fault = randomised.fault(mask.pattern or "")
    if fault is None:
        return []
    text = f"`{mask.pattern}` {fault}"
    hint = "use characters, sets, groups, alternatives and counted repetitions"
    return [Problem("policy.mask", text, hint=hint, path="policy.data.mask.rand_regexify.pattern")]


def _speaks_of(data: DataPolicy, udl: Udl) -> bool:
    globs = (data.depot, data.collection, data.dataset)
    parts = (udl.depot, udl.collection or "", udl.dataset or "")
    return all(compile_glob(folded(g)).matches(folded(p)) for g, p in zip(globs, parts, strict=True))


def _known(connection: sa.Connection, data: DataPolicy) -> list[tuple[str, list[str]]]:
    """Datasets that the policy speaks of and whose columns are known, with their columns in lower case."""
    found: list[tuple[str, list[str]]] = []
    for row in connection.execute(sa.select(_d.c.address, _d.c.columns).where(_d.c.depot != "")):
        if row.columns and _speaks_of(data, Udl.parse(row.address)):
            found.append((row.address, [str(c["name"]).lower() for c in row.columns]))
    return found


def _advise_subjects(connection: sa.Connection, spec: PolicySpec) -> list[Problem]:
    """Tags written in full that are no role's and no user's."""
    users = connection.execute(sa.select(tables.users.c.id, tables.users.c.tags)).all()
    given = {tag for user in users for tag in subject_tags(user.id, user.tags)}
    given |= {str(role["tag"]) for role in artifacts.roles(connection).values()}
    found: list[Problem] = []
    for path, tag in _subjects(spec):
        if compile_glob(tag).literal and tag not in given:
            text = f"no user and no role has the tag `{tag}`: the policy concerns nobody by it until one does"
            hint = names.did_you_mean(tag, names.nearest(tag, given)) or "tags are compared with their letter case"
            found.append(Problem("policy.unknown_tag", text, hint=hint, path=path))
    return found


def _tables(connection: sa.Connection) -> list[Udl]:
    """Every table of a Lakehouse, also one that no job has told of."""
    t = tables.iceberg_tables
    depots = {warehouse(e): e.name for e in list_entries(connection) if e.type == "ICEBERG"}
    rows = connection.execute(sa.select(t.c.warehouse, t.c.namespace, t.c.name))
    return [Udl(depots[r.warehouse], r.namespace, r.name) for r in rows if r.warehouse in depots]


def _advise_access(connection: sa.Connection, access: AccessPolicy) -> list[Problem]:
    rows = connection.execute(sa.select(_d.c.address, _d.c.depot).where(_d.c.depot != "")).all()  # others are foreign
    datasets = [*(r.address for r in rows), *map(str, _tables(connection))]
    depots = {r.depot for r in rows} | {e.name for e in list_entries(connection)}
    found: list[Problem] = []
    for position, path in enumerate(access.paths):
        if not path.startswith("dataos://"):
            continue
        glob = compile_glob(path.partition("#")[0])
        if not any(glob.matches(a) for a in datasets) and not any(glob.matches(f"dataos://{d}") for d in depots):
            text = f"`{path}` matches no dataset that is known now"
            hint = "it holds for what comes later too; look for a typing error if you mean something that is there"
            found.append(
                Problem("policy.matches_nothing", text, hint=hint, path=f"policy.access.objects.paths[{position}]")
            )
    return found


def _advise_data(connection: sa.Connection, data: DataPolicy) -> list[Problem]:
    found: list[Problem] = []
    known = _known(connection, data)
    if not known and not any(_speaks_of(data, udl) for udl in _tables(connection)):
        text = f"no dataset that is known now matches {data.depot}.{data.collection}.{data.dataset}"
        found.append(
            Problem("policy.matches_nothing", text, hint="it holds for what comes later too", path="policy.data")
        )
    for position, name in enumerate(data.column_names):
        columns = {c for _, found_ in known for c in found_}
        if known and folded(name.partition(".")[0]) not in {folded(c) for c in columns}:
            text = f"no dataset that is known now has a column `{name}`: the policy has no effect until one does"
            hint = names.did_you_mean(name, names.nearest(name, columns)) or "it holds for what comes later too"
            where = f"policy.data.selector.column.names[{position}]"
            found.append(Problem("policy.matches_nothing", text, hint=hint, path=where))
    given = set(connection.execute(sa.select(tables.dataset_tags.c.tag).distinct()).scalars()) | set(COLUMN_TAGS)
    for position, tag in enumerate(data.column_tags):
        if tag not in given:
            near = names.did_you_mean(tag, given)
            text = f"no column carries the tag `{tag}`: the policy has no effect until one does"
            hint = near or "tags are compared with their letter case"
            found.append(
                Problem("policy.unknown_tag", text, hint=hint, path=f"policy.data.selector.column.tags[{position}]")
            )
    lacking = [a for a, columns in known if any(f.column.lower() not in columns for f in data.filters)]
    if lacking and data.type == "filter":
        shown = ", ".join(lacking[:_SHOWN]) + (", ..." if len(lacking) > _SHOWN else "")
        text = f"a filtered column is missing in {shown}: whom the policy concerns cannot read them"
        found.append(
            Problem("policy.filter", text, hint="narrow the policy to datasets that have it", path="policy.data")
        )
    return found


def _check_lockout(connection: sa.Connection, point: DecisionPoint, name: str) -> None:
    """Somebody must be able to take the policy back."""
    known = point.now(connection)
    own = objects.resource("policy", name, None, "user", "", ())
    for user in connection.execute(sa.select(tables.users)):
        if OPERATOR_TAG not in user.tags or getattr(user, "disabled_at", None) is not None:
            continue
        tags = subject_tags(user.id, user.tags)
        wanted: list[tuple[tuple[str, ...], AccessObject]] = [
            (rules.GOVERNANCE.predicates, rules.GOVERNANCE.thing),
            (("update", "update_in"), own),
            (("delete", "delete_in"), own),
            (("post",), AccessObject(paths=("/api/v1/apply",))),
            (("delete",), AccessObject(paths=(f"/api/v1/resources/policy/{name}",))),
        ]
        if all(known.decide(tags, predicates, thing).allowed for predicates, thing in wanted):
            return
    raise fail(
        "policy.lockout",
        f"policy `{name}` would lock out everybody: no operator could change or delete it any more",
        hint="leave one operator out of its subjects; on the machine itself `dataos admin disable-policy` helps if it "
        "happened in another way",
    )
