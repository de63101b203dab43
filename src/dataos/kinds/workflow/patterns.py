"""Regular expressions of users, matched in linear time.

Python's own engine may take for ever on a hostile pattern, and it would do so inside a transaction; RE2, which comes
with Arrow, cannot. Arrow is imported where a pattern is used: most Workflows have none.
"""

from __future__ import annotations

_SHOWN = 200


def fault(pattern: str) -> str | None:
    """What is wrong with a pattern, or None."""
    import pyarrow as pa

    try:
        _search(pattern, "")
    except pa.ArrowInvalid as error:
        return str(error).splitlines()[0][:_SHOWN]
    return None


def matches(pattern: str, text: str) -> bool:
    """True if the pattern is found somewhere in the text; a faulty pattern is found nowhere."""
    import pyarrow as pa

    try:
        return _search(pattern, text)
    except pa.ArrowInvalid:
        return False


def _search(pattern: str, text: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.call_function("match_substring_regex", [pa.array([text])], pc.MatchSubstringOptions(pattern))
    return bool(found[0].as_py())
