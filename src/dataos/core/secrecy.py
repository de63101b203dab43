"""A type for values that must not be seen."""

from __future__ import annotations


class Secret:
    """A value that never shows itself: repr, str and format print a mask; `reveal()` is greppable."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Call as late as possible and never log the result."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(****)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "****"
