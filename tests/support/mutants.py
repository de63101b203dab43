"""Faults that are put into the code on purpose: what does not notice one is no proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Patch = pytest.MonkeyPatch
Make = Callable[[Patch], None]


class Mutants(dict[str, Make]):
    """By name; each puts its fault in with a patch."""

    def mutant(self, name: str) -> Callable[[Make], Make]:
        """Enter one into the list."""

        def enter(make: Make) -> Make:
            self[name] = make
            return make

        return enter


def nothing(*_: Any, **__: Any) -> None:
    """Instead of what should be done."""
