"""Masks of a data policy: what is shown in the place of a value (ch08 3.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from dataos.manifest import patterns
from dataos.manifest.annotations import Words, needs, rules, when
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, spelled

OPERATORS = (
    "hash",
    "redact",
    "bucket_number",
    "bucket_date",
    "rand_pattern",
    "rand_regexify",
    "regex_replace",
    "pass_through",
)
PRECISIONS = ("hour", "day", "week", "month", "quarter", "year")
ALGORITHMS = ("sha256",)


class HashBlock(Spec):
    """A digest."""

    algo: Text | None = spelled("algorithm", default=None)
    """Digest; sha256."""
    keyed: bool = False
    """With a key of the installation: nobody else can compute the digest of a value that he guesses."""
    supported_data_types: Any = None


class RedactBlock(Spec):
    """A constant."""

    replacement: Text | None = None
    """Text that is shown."""
    supported_data_types: Any = None


class NumberBuckets(Spec):
    """Lower bounds."""

    buckets: Any = spelled("bucket", default=None)
    """Lower bounds."""
    supported_data_types: Any = None


class DateBucket(Spec):
    """What a date is cut to."""

    precision: Annotated[Text, Words(*PRECISIONS)] | None = None
    """What a date is cut to."""
    supported_data_types: Any = None


class PatternBlock(Spec):
    """How a random text looks."""

    pattern: Text | None = None
    """How the random text looks."""
    supported_data_types: Any = None


class ReplaceBlock(Spec):
    """What is replaced by what."""

    pattern: Text | None = None
    """Regular expression of what is replaced."""
    replacement: Text | None = None
    """What is put there."""
    supported_data_types: Any = None


_NEEDED = {
    "hash": ("algo",),
    "bucket_number": ("buckets",),
    "bucket_date": ("precision",),
    "rand_pattern": ("pattern",),
    "rand_regexify": ("pattern",),
    "regex_replace": ("pattern", "replacement"),
}
_RULES = rules(
    *(when("operator", name, needs(name), {"properties": {name: needs(*keys)}}) for name, keys in _NEEDED.items())
)


class MaskBlock(Spec, json_schema_extra=_RULES):
    """`mask` as written. Blocks of operators that are not chosen are left-overs and have no effect."""

    operator: Annotated[Text, Words(*OPERATORS)]
    """What happens to a value."""
    hash: HashBlock | None = None
    redact: RedactBlock | None = None
    bucket_number: NumberBuckets | None = spelled("bucketNumber", "bucket_name", default=None, alias="bucket_number")
    bucket_date: DateBucket | None = spelled("bucketDate", default=None, alias="bucket_date")
    rand_pattern: PatternBlock | None = spelled("randPattern", default=None, alias="rand_pattern")
    rand_regexify: PatternBlock | None = spelled("randRegexify", default=None, alias="rand_regexify")
    regex_replace: ReplaceBlock | None = spelled("regexReplace", default=None, alias="regex_replace")
    pass_through: Any = spelled("passThrough", default=None, alias="pass_through")
    supported_data_types: Any = None


@dataclass(frozen=True)
class Mask:
    """Canonical. Which fields are set follows from the operator; buckets rise."""

    operator: str
    algo: str | None = None
    replacement: str | None = None
    buckets: tuple[float, ...] = ()
    precision: str | None = None
    pattern: str | None = None
    keyed: bool = False


def read_mask(block: MaskBlock, path: Path, reading: Reading) -> Mask | None:
    """None after problems."""
    before = len(reading.problems)
    written = block.operator.strip()
    name = "bucket_number" if written.lower() == "bucket_name" else written
    if name != written:
        reading.warn((*path, "operator"), f"operator `{written}` is read as `{name}`", code="manifest.variant")
    operator = one_of(name, OPERATORS, (*path, "operator"), reading, "mask operator")
    if operator is None:
        return None
    for other in OPERATORS:
        if other != operator and getattr(block, other) is not None:
            reading.warn((*path, other), f"`{other}` has no effect beside `operator: {operator}`")
    mask = _READERS[operator](getattr(block, operator), (*path, operator), reading)
    return mask if len(reading.problems) == before else None


def _needed(block: Any, key: str, path: Path, reading: Reading) -> Any:
    """A value that the operator needs. The path of an absent block is its place."""
    value = getattr(block, key) if block is not None else None
    if value is None or value == "":
        reading.error(path, f"`{key}` is required by operator `{path[-1]}`", code="manifest.missing")
        return None
    return value


def _hash(block: HashBlock | None, path: Path, reading: Reading) -> Mask:
    algo = _needed(block, "algo", path, reading)
    if algo is not None:
        algo = one_of(algo.replace("-", ""), ALGORITHMS, (*path, "algo"), reading, "algo")
    return Mask("hash", algo=algo, keyed=block.keyed if block is not None else False)


def _redact(block: RedactBlock | None, path: Path, reading: Reading) -> Mask:
    return Mask("redact", replacement=block.replacement if block else None)


def _bucket_number(block: NumberBuckets | None, path: Path, reading: Reading) -> Mask:
    buckets = _needed(block, "buckets", path, reading)
    if buckets is None:
        return Mask("bucket_number")
    items: list[Any] = list(buckets) if isinstance(buckets, list) else [buckets]  # pyright: ignore[reportUnknownArgumentType] - foreign data
    if not items:
        reading.error((*path, "buckets"), "at least one bucket is required", code="manifest.missing")
    numbers: list[float] = []
    for position, item in enumerate(items):
        try:
            if isinstance(item, (bool, list, dict)) or item is None:
                raise ValueError
            numbers.append(float(item))
        except (ValueError, OverflowError):
            reading.error((*path, "buckets", position), "a bucket is a number")
    if any(n != n or n in (float("inf"), float("-inf")) for n in numbers):
        reading.error((*path, "buckets"), "a bucket is a finite number")
        return Mask("bucket_number")
    if numbers != sorted(set(numbers)):
        reading.warn((*path, "buckets"), "buckets are sorted, and each is used once")
    return Mask("bucket_number", buckets=tuple(sorted(set(numbers))))


def _bucket_date(block: DateBucket | None, path: Path, reading: Reading) -> Mask:
    precision = _needed(block, "precision", path, reading)
    if precision is not None:
        precision = one_of(precision, PRECISIONS, (*path, "precision"), reading, "precision")
    return Mask("bucket_date", precision=precision)


def _rand_pattern(block: PatternBlock | None, path: Path, reading: Reading) -> Mask:
    return Mask("rand_pattern", pattern=_needed(block, "pattern", path, reading))


def _regex(block: PatternBlock | ReplaceBlock | None, path: Path, reading: Reading) -> str | None:
    pattern = _needed(block, "pattern", path, reading)
    if pattern is not None and (fault := patterns.regex_fault(pattern)):
        reading.error((*path, "pattern"), f"`{pattern}` {fault}")
    return pattern


def _rand_regexify(block: PatternBlock | None, path: Path, reading: Reading) -> Mask:
    return Mask("rand_regexify", pattern=_regex(block, path, reading))


def _regex_replace(block: ReplaceBlock | None, path: Path, reading: Reading) -> Mask:
    pattern = _regex(block, path, reading)
    replacement = block.replacement if block else None
    if replacement is None:  # an empty text is a replacement: it removes what matches
        reading.error(path, "`replacement` is required by operator `regex_replace`", code="manifest.missing")
    return Mask("regex_replace", pattern=pattern, replacement=replacement)


def _pass_through(block: Any, path: Path, reading: Reading) -> Mask:
    return Mask("pass_through")


_READERS: dict[str, Callable[[Any, Path, Reading], Mask]] = {
    "hash": _hash,
    "redact": _redact,
    "bucket_number": _bucket_number,
    "bucket_date": _bucket_date,
    "rand_pattern": _rand_pattern,
    "rand_regexify": _rand_regexify,
    "regex_replace": _regex_replace,
    "pass_through": _pass_through,
}
