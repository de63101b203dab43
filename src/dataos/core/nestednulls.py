"""PyIceberg 0.12 makes empty lists and maps of those that are NULL, where their elements are rows.

All that it reads and writes goes through its `ArrowProjectionVisitor`, which builds them anew from their offsets alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def keep(visitor: type) -> None:
    """From now on PyIceberg keeps them, in this process. To be called before it reads or writes rows. `visitor`: its
    `pyiceberg.io.pyarrow.ArrowProjectionVisitor`."""
    for name in ("list", "map"):
        method = getattr(visitor, name)
        if not hasattr(method, "__wrapped__"):
            setattr(visitor, name, _keeping(method))


def _keeping(method: Callable[..., Any]) -> Callable[..., Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    @functools.wraps(method)
    def made(self: Any, type_: Any, before: Any, *parts: Any) -> Any:
        after = method(self, type_, before, *parts)
        if after is None or after.null_count == before.null_count:
            return after
        # the cast gives a map's fields their ids again, which Iceberg's files are read by
        nulls = pa.scalar(None, after.type)
        return pc.call_function("if_else", [before.is_valid(), after, nulls]).cast(after.type)

    return made
