"""Service levels of a product: measured from runs, queries and checks that are kept anyway (ch09 2.9)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from dataos.core.clock import rfc3339
from dataos.governance.principals import Principal
from dataos.kinds.product import index, neighbours, quality
from dataos.kinds.product.life import Slo
from dataos.kinds.product.quality import Result
from dataos.kinds.product.spec import ProductSpec
from dataos.store import tables

_DAYS = 30
_DAY_US = 86_400 * 1_000_000
_MOST = 20_000
_q = tables.query_history


def knows_people(principal: Principal, row: sa.Row[Any]) -> bool:
    """Who uses a product is for its owner and collaborators, and for operators."""
    mine = str(principal.user_id)
    return principal.is_operator or mine == row.owner or any(user == mine for user, _ in row.people)


def measure(connection: sa.Connection, row: sa.Row[Any], spec: ProductSpec, now_us: int) -> dict[str, Any]:
    """Availability, latency, freshness of its outputs in the last 30 days, and each target of the manifest."""
    refs = index.refs(connection, row.uid)
    outputs = [r.target for r in refs if r.side == index.OUTPUT]
    every = list(dict.fromkeys([*(r.target for r in refs if r.side == index.INPUT), *outputs]))
    asked = _asked(connection, outputs, now_us - _DAYS * _DAY_US)
    results = quality.results(connection, [a for a in every if a.startswith("dataos://")])
    return {
        "days": _DAYS,
        "availability": _availability(asked),
        "latency": _latency(asked),
        "freshness": _freshness(connection, outputs, now_us),
        "quality": {"adherence": quality.of_category(results)["adherence"]},
        "runs": _runs(connection, refs, now_us - _DAYS * _DAY_US),
        "slos": [_kept(connection, slo, outputs, results, now_us) for slo in spec.slos],
    }


def _asked(connection: sa.Connection, outputs: Sequence[str], since_us: int) -> list[sa.Row[Any]]:
    """Statements on the outputs that ended: finished, or failed for a reason that is not the user's."""
    wanted = {a.lower() for a in outputs}
    query = sa.select(_q).where(_q.c.created_at >= since_us, _q.c.finished_at.is_not(None))
    return [
        row
        for row in connection.execute(query.order_by(_q.c.created_at.desc()).limit(_MOST))
        if {neighbours.table_address(t) for t in row.tables} & wanted and not row.error.startswith(_USERS_OWN)
    ]


_USERS_OWN = ("query.invalid", "query.syntax", "query.forbidden", "query.cancelled", "auth.", "policy.denied")
"""Errors that say nothing of the product."""


def _availability(asked: Sequence[sa.Row[Any]]) -> dict[str, Any]:
    """Share of statements that were answered, in percent; null: nobody asked."""
    good = sum(1 for row in asked if row.state == "finished")
    return {"percent": round(100.0 * good / len(asked), 2) if asked else None, "queries": len(asked)}


def _latency(asked: Sequence[sa.Row[Any]]) -> dict[str, Any]:
    """Seconds from the arrival of a statement to its end: the middle one, and what 95 of 100 stay below."""
    times = sorted((row.finished_at - row.created_at) / 1e6 for row in asked if row.state == "finished")
    if not times:
        return {"p50_s": None, "p95_s": None}
    return {"p50_s": round(statistics.median(times), 4), "p95_s": round(_below(times, 0.95), 4)}


def _below(times: Sequence[float], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))]


def _freshness(connection: sa.Connection, outputs: Sequence[str], now_us: int) -> list[dict[str, Any]]:
    """When each output was written last, and how old it is."""
    d = tables.datasets
    query = sa.select(d.c.address, d.c.written_at).where(d.c.address.in_(list(outputs)))
    written = {row.address: row.written_at for row in connection.execute(query)}
    return [
        {
            "dataset": address,
            "writtenAt": rfc3339(written.get(address)),
            "age_s": round((now_us - at) / 1e6, 1) if (at := written.get(address)) else None,
        }
        for address in outputs
    ]


def _runs(connection: sa.Connection, refs: Sequence[sa.Row[Any]], since_us: int) -> dict[str, Any]:
    """Runs of the Workflows among its Resources: of its Bundle and those that it lists."""
    r, runs = tables.resources, tables.runs
    keys = [ref.target for ref in refs if ref.side in (index.BUNDLE, index.MEMBER)]
    mine = sa.select(r.c.uid).where(r.c.live_key.in_(keys))
    of = sa.or_(r.c.uid.in_(mine), r.c.parent_uid.in_(mine))
    query = (
        sa.select(runs.c.state, runs.c.finished_at).join(r, r.c.uid == runs.c.uid).where(of, r.c.live_key.is_not(None))
    )
    found = connection.execute(query.where(runs.c.finished_at >= since_us).order_by(runs.c.finished_at)).all()
    good = sum(1 for row in found if row.state == "succeeded")
    return {
        "succeeded": good,
        "failed": sum(1 for row in found if row.state == "failed"),
        "percent": round(100.0 * good / len(found), 2) if found else None,
        "lastAt": rfc3339(found[-1].finished_at) if found else None,
        "lastState": found[-1].state if found else None,
    }


def _kept(
    connection: sa.Connection, slo: Slo, outputs: Sequence[str], results: Sequence[Result], now_us: int
) -> dict[str, Any]:
    """One target: what it is, and whether it is kept. `actual` null: nothing was measured."""
    since = now_us - int((slo.window_s or _DAYS * 86_400) * 1e6)
    about = [str(slo.dataset)] if slo.dataset is not None else list(outputs)
    actual: float | None = None
    if slo.category == "availability":
        actual = _availability(_asked(connection, about, since))["percent"]
    elif slo.category == "latency":
        times = [(row.finished_at - row.created_at) / 1e6 for row in _asked(connection, about, since)]
        limit = _seconds(slo.metric)
        actual = round(100.0 * sum(t <= limit for t in times) / len(times), 2) if times else None
    elif slo.category != "cost":
        chosen = [r for r in results if r.category == slo.category and r.at >= since]
        actual = quality.percent([r for r in chosen if slo.dataset is None or r.address in about])
    return {
        "name": slo.name,
        "category": slo.category,
        "target": slo.target,
        "window_s": slo.window_s,
        "dataset": str(slo.dataset) if slo.dataset is not None else None,
        "actual": actual,
        "ok": None if actual is None else actual >= slo.target,
    }


def _seconds(text: str | None) -> float:
    """The limit of a latency target: `500ms`, `2s`; half a second if none is said (ch09 4)."""
    found = (text or "").strip().lower()
    try:
        return float(found[:-2]) / 1000 if found.endswith("ms") else float(found.rstrip("s"))
    except ValueError:
        return 0.5
