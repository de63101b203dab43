"""Persons of a login provider here: who they are, and which tags their groups give.

Plain functions over the caller's open connection; what a claim means is decided here, whether it is true was checked
before (oidc.py). Tags that a login gave are kept apart (`users.federated_tags`): the next login takes away what the
provider no longer says, and never a tag that was given by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dataos.core import logs, names
from dataos.core.clock import Clock
from dataos.core.errors import DataOSError, fail
from dataos.core.loginsettings import OidcSettings
from dataos.governance import changes, standing
from dataos.governance.identities import ADMINISTRATOR
from dataos.governance.users import Users
from dataos.store import tables

PERSON = "person"
_ROLE = "roles:id:"
_u = tables.users
_log = logs.get(__name__)


@dataclass(frozen=True)
class Person:
    """What the provider says. `subject` is its own id, for good; the rest may change."""

    subject: str
    id: str
    name: str
    email: str
    groups: tuple[str, ...]


def read_person(claims: Mapping[str, Any], settings: OidcSettings) -> Person:
    """The person of checked claims. Raises DataOSError `login.untrusted` where they name none."""
    subject, wanted = claims.get("sub"), claims.get(settings.user_claim)
    if (
        not isinstance(subject, str)
        or not subject.isascii()
        or not subject.isprintable()
        or not 0 < len(subject) <= 255
    ):
        raise fail("login.untrusted", "the provider's answer has no usable `sub`")
    id_ = person_id(wanted) if isinstance(wanted, str) else ""
    name = next((t for c in (claims.get("name"), wanted) if (t := _shown(c, 200))), subject)
    groups = claims.get(settings.groups_claim)
    if isinstance(groups, str):
        groups = [groups]
    listed = [_shown(g, 200) for g in groups] if isinstance(groups, list) else []
    return Person(subject, id_, name, _shown(claims.get("email"), 320), tuple(g for g in listed if g))


def _shown(claim: Any, most: int) -> str:
    """A text that can be kept and shown; nothing of what is none."""
    return "".join(c for c in claim if c.isprintable())[:most].strip() if isinstance(claim, str) else ""


def person_id(text: str) -> str:
    """An id made of a provider's name of a person; empty if none can be."""
    made = re.sub(r"[^a-z0-9_.]+", "-", text.partition("@")[0].lower()).strip("-_.")
    return made[: names.MAX_NAME].rstrip("-_.")


def tags_of(person: Person, settings: OidcSettings) -> list[str]:
    """Tags that the person's groups stand for."""
    found: list[str] = []
    for group in person.groups:
        if settings.groups_as_roles:
            found.append(_ROLE + group)
        found += settings.group_tags.get(group, ())
    return list(dict.fromkeys(found))


def admit(connection: sa.Connection, users: Users, clock: Clock, person: Person, settings: OidcSettings) -> str:
    """The id here of a person who has logged in there: known, linked or new; tags follow the groups.

    Raises DataOSError `login.unknown_person`, `auth.disabled`.
    """
    actor = f"login:{settings.connector}"
    found = connection.execute(
        sa.select(_u.c.id).where(
            _u.c.federated_connector_id == settings.connector, _u.c.federated_user_id == person.subject
        )
    ).scalar()
    user = str(found) if found is not None else _take_up(connection, users, clock, person, settings, actor)
    if standing.is_disabled(connection, user):
        raise standing.disabled()
    _follow(connection, clock, user, person, actor)
    _give_tags(connection, users, user, tags_of(person, settings), actor)
    return user


def link(
    connection: sa.Connection, clock: Clock, actor: str, user: Mapping[str, Any], connector: str, subject: str | None
) -> None:
    """Say which person at the provider a user is (None: none). Raises DataOSError `user.federated` for an application
    and where another user is that person."""
    if subject is not None and user["type"] != PERSON:
        raise fail("user.federated", f"`{user['id']}` is an application: it does not log in", hint="use an API key")
    taken = connection.execute(
        sa.select(_u.c.id).where(
            _u.c.federated_connector_id == connector, _u.c.federated_user_id == subject, _u.c.id != user["id"]
        )
    ).scalar()
    if subject is not None and taken is not None:
        raise fail(
            "user.federated", f"that person is user `{taken}` already", hint=f"dataos user link -i {taken} --none"
        )
    values = {"federated_connector_id": connector if subject is not None else None, "federated_user_id": subject}
    connection.execute(_u.update().where(_u.c.id == user["id"]).values(**values))
    change = "linked" if subject is not None else "link removed"
    changes.record(connection, clock.now_us(), f"user:{user['id']}", change, actor, {"connector": connector})


def _take_up(
    connection: sa.Connection, users: Users, clock: Clock, person: Person, settings: OidcSettings, actor: str
) -> str:
    row = connection.execute(sa.select(_u).where(_u.c.id == person.id)).first() if person.id else None
    if row is not None:
        free = row.type == PERSON and row.federated_user_id is None and row.id != ADMINISTRATOR
        if not settings.link_persons or not free:
            raise _unknown(f"user `{person.id}` is here already, and is not known to be you")
        found = {"id": row.id, "type": row.type}
    elif not settings.create_persons or not person.id:
        raise _unknown("you are not known here")
    else:
        found = users.create(connection, actor, id=person.id, name=person.name, type=PERSON, email=person.email or None)
    link(connection, clock, actor, found, settings.connector, person.subject)
    return str(found["id"])


def _unknown(message: str) -> DataOSError:
    return fail(
        "login.unknown_person",
        message,
        hint="an operator can make you one: dataos user create -t person, then dataos user link -i ID --subject SUB",
    )


def _follow(connection: sa.Connection, clock: Clock, user: str, person: Person, actor: str) -> None:
    """Name and address as the provider has them now."""
    row = connection.execute(sa.select(_u.c.name, _u.c.email).where(_u.c.id == user)).one()
    said = {"name": person.name, "email": person.email or row.email}
    if said != {"name": row.name, "email": row.email}:
        connection.execute(_u.update().where(_u.c.id == user).values(**said))
        changes.record(connection, clock.now_us(), f"user:{user}", "renamed", actor)


def _give_tags(connection: sa.Connection, users: Users, user: str, wanted: Sequence[str], actor: str) -> None:
    row = connection.execute(sa.select(_u.c.tags, _u.c.federated_tags).where(_u.c.id == user)).one()
    before: list[str] = row.federated_tags or []
    kept = [tag for tag in before if tag in row.tags]
    given = list(kept)
    for tag in wanted:
        if tag not in row.tags and _can(users.add_tags, connection, actor, user, tag):
            given.append(tag)
    for tag in kept:
        if tag not in wanted and _can(users.remove_tags, connection, actor, user, tag):
            given.remove(tag)
    if given != before:
        connection.execute(_u.update().where(_u.c.id == user).values(federated_tags=given))


def _can(change: Any, connection: sa.Connection, actor: str, user: str, tag: str) -> bool:
    """Give or take one tag. False where that cannot be: no such role here, or the last operator."""
    try:
        change(connection, actor, user, [tag])
    except DataOSError as error:
        if error.problem.code.startswith("store."):
            raise
        _log.info("a group has no effect", user=user, tag=tag, why=error.problem.message)
        return False
    return True
