"""The promise of a product: what its outputs were like, and whether a change breaks that (ch09 2.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dataos.kinds.product.spec import ProductSpec

Shape = Mapping[str, Sequence[Sequence[str]]]
"""Columns of outputs: {address: [[name, type]]}."""


def outputs_of(spec: ProductSpec) -> list[str]:
    """Addresses of the datasets that it makes."""
    return [str(d.address) for d in spec.outputs if d.address is not None]


def breaks(promised: Shape, outputs: Iterable[str], now: Shape) -> list[str]:
    """What of a promise is not kept: outputs that are gone, columns that are gone or have another type. Of outputs
    whose columns are not known (not in `now`) nothing is said."""
    kept = set(outputs)
    found: list[str] = []
    for address, columns in promised.items():
        if address not in kept:
            found.append(f"output {address} is gone")
            continue
        here = {name.lower(): type_ for name, type_ in now.get(address, ())}
        for name, type_ in columns if address in now else ():
            if name.lower() not in here:
                found.append(f"column `{name}` of {address} is gone")
            elif here[name.lower()] != type_:
                found.append(f"column `{name}` of {address} is {here[name.lower()]} now, it was {type_}")
    return found


def is_major(before: str | None, after: str | None) -> bool:
    """Does the first number of the version rise?"""
    return _major(after) > _major(before)


def _major(version: str | None) -> int:
    return int(version.partition(".")[0]) if version else -1


def promise(promised: Shape, outputs: Iterable[str], now: Shape, *, anew: bool) -> dict[str, list[list[str]]]:
    """What is promised from now on: all columns that are there; what was promised before stays, unless it begins
    `anew`."""
    found: dict[str, list[list[str]]] = {}
    for address in outputs:
        columns = {name.lower(): [name, type_] for name, type_ in now.get(address, ())}
        if not anew:
            columns |= {c[0].lower(): list(c) for c in promised.get(address, ())}
        if columns:
            found[address] = list(columns.values())
    return found
