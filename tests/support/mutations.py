"""Every value of a manifest, taken away or replaced by what it must not be, for tests of schemas."""

from __future__ import annotations

import copy
from typing import Any


def places(value: Any, path: tuple[Any, ...] = ()):
    if path:
        yield path, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*path, key))


def changed(section: Any, path: tuple[Any, ...], value: Any) -> Any:
    whole = copy.deepcopy(section)
    place = whole
    for part in path[:-1]:
        place = place[part]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return whole


def mutations(section: Any):
    for path, value in places(section):
        yield path, changed(section, path, None)
        yield path, changed(section, path, "nonsense" if isinstance(value, dict) else {"zz": 1})
        if isinstance(value, str):
            yield path, changed(section, path, "no-such-word")


def says_type_word_or_absence(problem: Any) -> bool:
    return (
        problem.code == "manifest.missing"
        or problem.message.startswith("expected")
        or (problem.hint.startswith(("allowed", "did you mean")) and problem.code == "manifest.invalid")
    )
