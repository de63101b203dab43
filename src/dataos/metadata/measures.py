"""Profiles, quality results and suggested tags in the store. Plain functions over a connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from dataos.metadata import entities
from dataos.metadata.reports import Dataset, Profile, Test
from dataos.store import tables

PLATFORM = "platform"
"""The source of tags that the platform itself gives."""
PROFILED, TESTED = "dataos.profile", "dataos.quality"
"""Tags of datasets for which there are profiles, or quality results (ch04 15)."""
SUGGESTED, ACCEPTED, DISCARDED = "suggested", "accepted", "discarded"

_p = tables.dataset_profiles
_q = tables.dataset_quality
_l = tables.dataset_labels
_t = tables.dataset_tags


def save_profile(connection: sa.Connection, profile: Profile, job: Mapping[str, str], now_us: int) -> None:
    """A new profile, and the tags that it suggests."""
    connection.execute(
        _p.insert().values(
            address=profile.address,
            at=now_us,
            job=dict(job),
            level=profile.level,
            filters=list(profile.filters),
            rows=profile.rows,
            columns=list(profile.columns),
            correlations=list(profile.correlations),
        )
    )
    _mark(connection, profile.address, PROFILED, now_us)
    of_dataset = _l.c.address == profile.address
    known = {(r.column, r.tag): r.state for r in connection.execute(sa.select(_l).where(of_dataset))}
    found = {(column, tag): confidence for column, tag, confidence in profile.labels}
    for (column, tag), state in known.items():
        if (column, tag) not in found and state == SUGGESTED:
            connection.execute(_l.delete().where(of_dataset, _l.c.column == column, _l.c.tag == tag))
    for (column, tag), confidence in found.items():
        where = (of_dataset, _l.c.column == column, _l.c.tag == tag)
        if (column, tag) in known:
            connection.execute(_l.update().where(*where).values(confidence=confidence, found_at=now_us))
        else:
            fresh = {"address": profile.address, "column": column, "tag": tag, "confidence": confidence}
            connection.execute(_l.insert().values(**fresh, state=SUGGESTED, found_at=now_us))


def save_tests(connection: sa.Connection, tests: Iterable[Test], job: Mapping[str, str], now_us: int) -> None:
    """Results of assertions, passed or not."""
    rows = [
        {
            "address": t.address,
            "at": now_us,
            "job": dict(job),
            "column": t.column,
            "name": t.name,
            "test": t.test,
            "value": t.value,
            "passed": t.passed,
        }
        for t in tests
    ]
    if rows:
        connection.execute(_q.insert(), rows)
        for address in dict.fromkeys(t.address for t in tests):
            _mark(connection, address, TESTED, now_us)


def _mark(connection: sa.Connection, address: str, tag: str, now_us: int) -> None:
    key = {"address": address, "column": "", "tag": tag, "source": PLATFORM}
    if connection.execute(sa.select(_t.c.tag).filter_by(**key)).first() is not None:
        return
    if entities.find(connection, address) is None:
        entities.seen(connection, Dataset("", address), now_us)
    entities.changed_tags(connection, address, PLATFORM, now_us, lambda: connection.execute(_t.insert().values(**key)))
