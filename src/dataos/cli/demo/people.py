"""The demo's two people: the same question asked as both, why the answers differ, and a grant."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dataos.cli import governing, query
from dataos.cli.demo.surroundings import environment
from dataos.cli.groups import Reader
from dataos.cli.output import Output
from dataos.client import api
from dataos.client.connections import Connection
from dataos.core.errors import DataOSError
from dataos.core.secrecy import Secret

FLIGHTS = "dataos://flightslake:nyc/flights"
QUESTION = """SELECT origin, count(*) AS flights, count(DISTINCT tailnum) AS planes, min(tailnum) AS a_tail_number
FROM flightslake.nyc.flights GROUP BY origin ORDER BY flights DESC"""
GRANTED = "SELECT count(*) AS hours FROM flightslake.nyc.weather"
_ROLES = {"analyst": ["roles:id:analyst"], "operator": ["roles:id:operator"]}
_VALUES = {
    "ds-read": [{"depot": "flightslake", "collection": "nyc", "dataset": "weather"}],
    "minerva-table-read": [{"catalog": "flightslake", "schema": "nyc", "table": "weather"}],
}


@dataclass(frozen=True)
class People:
    """Clients of both."""

    analyst: api.Client
    operator: api.Client


def arrive(admin: api.Client) -> People:
    """Make both users and the role, where they are missing, and a key of a day for each."""
    _once(
        lambda: admin.json(
            "POST", "/api/v1/governance/roles", body={"name": "analyst", "description": "asks questions"}
        )
    )
    made: dict[str, api.Client] = {}
    for user, tags in _ROLES.items():
        body = {"id": user, "name": user.title(), "type": "person", "tags": tags}
        _once(lambda body=body: admin.json("POST", "/api/v1/users", body=body))
        key = admin.json("POST", f"/api/v1/users/{user}/tokens", body={})["token"]
        made[user] = api.Client(Connection(admin.connection.url, Secret(key), f"the demo's {user}"))
    return People(made["analyst"], made["operator"])


def compare(people: People, out: Output, *, no_icons: bool) -> None:
    """The same statement with both keys, by CLI and by HTTP; and why the answers differ."""
    print("\n    " + QUESTION.replace("\n", "\n    "))
    for user, client in (("operator", people.operator), ("analyst", people.analyst)):
        print(f"\n  as {user}, by `dataos query`:\n")
        with as_user(client, user):
            query.query(QUESTION, no_icons=no_icons)
    print("\n  the same by POST /api/v1/query, side by side:\n")
    rows: list[list[Any]] = []
    for user, client in (("operator", people.operator), ("analyst", people.analyst)):
        rows += [[user, *(_short(v) for v in row)] for row in _ask(client, QUESTION)["rows"]]
    out.table(["key of", "origin", "flights", "planes", "a_tail_number"], rows)
    print(f"\n  why?  dataos policy explain --user analyst --object {FLIGHTS}#tailnum\n")
    governing.policy_explain(Reader(no_icons=no_icons), object=f"{FLIGHTS}#tailnum", user="analyst")


@contextmanager
def as_user(client: api.Client, user: str) -> Generator[None]:
    """The CLI in this process as a user with a key, as USER_ID and APIKEY make it."""
    own = {"DATAOS_FQDN": client.connection.url, "USER_ID": user, "APIKEY": client.connection.token.reveal()}
    with environment(own):
        yield


def grant(people: People, out: Output) -> None:
    """The analyst may not read the weather, asks, is granted it, and reads."""
    for old in people.operator.json("GET", "/api/v1/grants")["items"]:
        if old["notes"] == _NOTE:  # of an earlier demo
            people.operator.json("DELETE", f"/api/v1/grants/{old['id']}")
    print(f"\n    {GRANTED}\n")
    try:
        _ask(people.analyst, GRANTED)
    except DataOSError as error:
        print(f"  as analyst: {error.problem.message.partition(' msg=')[0]}")
    body = {"policy_use_case_id": "read-specific-dataset", "values": _VALUES, "notes": _NOTE}
    asked = people.analyst.json("POST", "/api/v1/grants", body=body)
    print(f"  the analyst asks for a grant of `{asked['policy_use_case_id']}`: {asked['state']}")
    done = people.operator.json("POST", f"/api/v1/grants/{asked['id']}/approve")
    print(f"  the operator approves: {done['state']} by {done['decision']}\n")
    shown = _ask(people.analyst, GRANTED)
    print("  as analyst:")
    out.table([c["name"] for c in shown["columns"]], shown["rows"])


_NOTE = "demo: the weather, to compare delays with"


def _ask(client: api.Client, sql: str) -> Any:
    return json.loads(client.query(sql, accept=api.JSON).read())


def _short(value: Any) -> Any:
    return f"{value[:16]}..." if isinstance(value, str) and len(value) == 64 else value


def _once(make: Any) -> None:
    try:
        make()
    except DataOSError as error:
        if error.problem.code not in ("governance.exists", "user.exists"):
            raise
