"""Principals with the rules that every installation starts with."""

from __future__ import annotations

import functools

import sqlalchemy as sa

from dataos.core.ids import UserId
from dataos.governance import seeding
from dataos.governance.decisions import DecisionPoint, Policies
from dataos.governance.principals import Principal
from dataos.store import tables


@functools.cache
def shipped() -> Policies:
    """What `seeding` puts in force."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        seeding.ensure(connection, 0)
    with engine.begin() as connection:
        return DecisionPoint().now(connection)


def principal(user: str, *roles: str) -> Principal:
    """A user with the role `user` and these."""
    return Principal(UserId(user), frozenset(f"roles:id:{r}" for r in ("user", *roles)), policies=shipped())


def operator(user: str = "admin") -> Principal:
    """An operator."""
    return principal(user, "operator")
