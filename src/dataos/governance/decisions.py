"""The decision point: every door and room asks here who may do what, and what a user sees of a dataset.

The rules are in the store; each server keeps an index of them in memory (`Policies`) and asks in each transaction, and
for each statement, whether the store's version is still the index's. A change is in force with whatever begins next, on
every server.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from dataos.governance import policies as rules
from dataos.governance.access import AccessIndex
from dataos.governance.exposure import DatasetName, Exposure, ExposureIndex
from dataos.governance.policies import AccessObject, AccessRule, DataRule, Decision, Rule
from dataos.store import tables
from dataos.store.database import takes_longer

_s = tables.policy_state
_p = tables.policies
_VERSION = sa.select(_s.c.version).where(_s.c.id == 1)
VERSION = _VERSION.scalar_subquery()
"""For other statements: the store's version comes along."""
_CHANGES = sa.select(_p.c.key, _p.c.body).where(_p.c.changed > sa.bindparam("since"))
_DIRTY = "dataos.policies"


class Policies:
    """The rules of one version. Immutable, safe for threads."""

    def __init__(self, version: int, access: Mapping[str, AccessRule], data: Mapping[str, DataRule]) -> None:
        self.version = version
        self._access_rules = dict(access)
        self._data_rules = dict(data)
        self.access = AccessIndex(self._access_rules)
        self.data = ExposureIndex(self._data_rules)

    def decide(self, tags: frozenset[str], predicates: Sequence[str], thing: AccessObject) -> Decision:
        """May somebody with these tags do one of `predicates` to the thing? A denial of any of them denies."""
        return self.access.decide(tags, predicates, thing)

    def exposure(self, tags: frozenset[str], dataset: DatasetName) -> Exposure:
        """Filters and masks for somebody with these tags."""
        return self.data.exposure(tags, dataset)

    def changed(self, version: int, changes: Mapping[str, Rule | None]) -> Policies:
        """The rules after a change; None: the rule is gone."""
        access, data = dict(self._access_rules), dict(self._data_rules)
        for key, rule in changes.items():
            access.pop(key, None)
            data.pop(key, None)
            if isinstance(rule, AccessRule):
                access[key] = rule
            elif rule is not None:
                data[key] = rule
        made = Policies.__new__(Policies)
        made.version = version
        made._access_rules, made._data_rules = access, data
        made.access = self.access if access == self._access_rules else AccessIndex(access)
        made.data = self.data if data == self._data_rules else ExposureIndex(data)
        return made

    @property
    def rules(self) -> dict[str, Rule]:
        """Every rule by its key."""
        return {**self._access_rules, **self._data_rules}


class DecisionPoint:
    """The newest rules as this process knows them, and what is asked of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = Policies(-1, {}, {})

    def now(self, connection: sa.Connection, version: int | None = None) -> Policies:
        """The rules that count in this transaction. `version`: the store's, if the caller has just read it."""
        if _is_dirty(connection):  # nobody else may see what this transaction wrote and may yet take back
            return _load(connection, self._known)
        found = (connection.execute(_VERSION).scalar() if version is None else version) or 0
        known = self._known
        if known.version == found:
            return known
        takes_longer(connection)
        with self._lock:
            if self._known.version < found:
                self._known = _load(connection, self._known)
            return self._known


def write(connection: sa.Connection, changes: Mapping[str, Rule | None]) -> None:
    """Put rules in force, or take them out (None), with the caller's transaction."""
    if not changes:
        return
    version = bump(connection)
    connection.execute(_p.delete().where(_p.c.key.in_(list(changes))))
    rows = [
        {"key": key, "body": rules.to_json(rule) if rule is not None else None, "changed": version}
        for key, rule in changes.items()
    ]
    connection.execute(_p.insert(), rows)


def bump(connection: sa.Connection) -> int:
    """Tell every server that something changed which decisions depend on. Returns the new version."""
    changed = connection.execute(_s.update().where(_s.c.id == 1).values(version=_s.c.version + 1)).rowcount
    if not changed:
        connection.execute(_s.insert().values(id=1, version=1))
    connection.info[_DIRTY] = connection.get_transaction()
    return int(connection.execute(_VERSION).scalar_one())


def keys(connection: sa.Connection, start: str) -> list[str]:
    """Keys of rules in force that begin so."""
    found = connection.execute(
        sa.select(_p.c.key).where(_p.c.key.startswith(start, autoescape=True), _p.c.body.is_not(None))
    )
    return list(found.scalars())


def _is_dirty(connection: sa.Connection) -> bool:
    held: Any = connection.info.get(_DIRTY)
    return held is not None and held is connection.get_transaction()


def _load(connection: sa.Connection, known: Policies) -> Policies:
    version = int(connection.execute(_VERSION).scalar() or 0)
    rows = connection.execute(_CHANGES, {"since": known.version}).all()
    return known.changed(version, {key: rules.from_json(body) if body is not None else None for key, body in rows})
