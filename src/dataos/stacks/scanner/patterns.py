"""What the scanner leaves out and takes in: filter patterns and switches of `sourceConfig.config` (ch02 3.3, 3.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from dataos.manifest import patterns
from dataos.manifest.annotations import Words
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

CONFIG_TYPES = ("DatabaseMetadata", "DashboardMetadata", "DataProduct")
LEVELS = ("database", "schema", "table", "collection", "topic", "dataProduct", "dashboard", "chart")


class PatternBlock(Spec):
    """Names to take and names to leave out. Both stand as regular expressions from the beginning of a name."""

    includes: tuple[Text, ...] = spelled(default=(), lone=True)
    excludes: tuple[Text, ...] = spelled(default=(), lone=True)


class ConfigBlock(Spec):
    """`sourceConfig.config`."""

    type: Annotated[Text, Words(*CONFIG_TYPES)] | None = None
    database_filter_pattern: PatternBlock | None = None
    schema_filter_pattern: PatternBlock | None = None
    table_filter_pattern: PatternBlock | None = None
    collection_filter_pattern: PatternBlock | None = None
    topic_filter_pattern: PatternBlock | None = None
    data_product_filter_pattern: PatternBlock | None = None
    dashboard_filter_pattern: PatternBlock | None = None
    chart_filter_pattern: PatternBlock | None = None
    use_fqn_for_filtering: bool = False
    mark_deleted_tables: bool = False
    mark_deleted_tables_from_filter_only: bool = False
    mark_deleted_topics: bool = False
    mark_deleted_data_products: bool = False
    include_tables: bool = True
    include_views: bool = False
    include_collections: bool = True
    include_tags: bool = False
    ingest_sample_data: bool = False
    enable_debug_log: bool = False


@dataclass(frozen=True)
class Filter:
    """A name is kept if it matches one of `includes`; without those, if it matches none of `excludes`."""

    includes: tuple[str, ...]
    excludes: tuple[str, ...]

    def keeps(self, name: str) -> bool:
        """Whether the scanner takes a name: anchored at its beginning, letter case does not matter."""
        if self.includes:
            return any(re.match(p, name, re.IGNORECASE) for p in self.includes)
        return not any(re.match(p, name, re.IGNORECASE) for p in self.excludes)


@dataclass(frozen=True)
class Config:
    """What to scan. A level without a filter is taken whole."""

    type: str | None = None
    filters: dict[str, Filter] = field(default_factory=dict[str, Filter])
    switches: dict[str, bool] = field(default_factory=dict[str, bool])  # by their manifest name


_HOISTED = ("markdeletedtables", "includetags", "includeviews")
_PLAIN = re.compile(r"[A-Za-z0-9_ -]+")


def read_config(data: Any, path: Path, reading: Reading) -> Config | None:
    """The block at `path`, or None after problems."""
    before = len(reading.problems)
    block = read_model(ConfigBlock, _hoist(data, path, reading), reading, path, go_on=True)
    if block is None:
        return None
    type_ = one_of(block.type, CONFIG_TYPES, (*path, "type"), reading, "type") if block.type else None
    filters: dict[str, Filter] = {}
    for level in LEVELS:
        key = f"{level}FilterPattern"
        found = getattr(block, next(n for n, i in ConfigBlock.model_fields.items() if i.alias == key))
        if found is not None:
            filters[level] = _filter(found, (*path, key), reading)
    switches = {
        str(info.alias): getattr(block, name)
        for name, info in ConfigBlock.model_fields.items()
        if info.annotation is bool
    }
    return Config(type_, filters, switches) if len(reading.problems) == before else None


def _filter(block: PatternBlock, path: Path, reading: Reading) -> Filter:
    for key, texts in (("includes", block.includes), ("excludes", block.excludes)):
        for position, text in enumerate(texts):
            where = (*path, key, position)
            if not text.strip():
                reading.error(where, "an empty pattern matches every name", hint="leave it out")
            elif fault := patterns.regex_fault(text):
                reading.error(where, f"`{text[:80]}` {fault}", hint="for instance ^orders$ or ^tmp_.*")
    if block.includes and block.excludes:
        reading.warn(
            path, "`includes` and `excludes` stand together: `excludes` has no effect", hint="keep one of them"
        )
    return Filter(tuple(map(_prefixed, block.includes)), tuple(map(_prefixed, block.excludes)))


def _prefixed(text: str) -> str:
    """A name without signs of a regular expression is the beginning of names: `public` is `^public.*`."""
    return f"^{text}.*" if _PLAIN.fullmatch(text) else text


def _hoist(data: Any, path: Path, reading: Reading) -> Any:
    """Switches that stand below `tableFilterPattern` (a page of the reference says so) belong beside it."""
    if not isinstance(data, dict):
        return data
    block = dict(cast("dict[str, Any]", data))
    key = next((k for k in block if k.lower() == "tablefilterpattern" and isinstance(block[k], dict)), None)
    if key is None:
        return block
    pattern = dict(cast("dict[str, Any]", block[key]))
    for stray in [k for k in pattern if k.lower() in _HOISTED]:
        value = pattern.pop(stray)
        reading.warn((*path, key, stray), f"`{stray}` belongs beside `{key}`", code="manifest.variant")
        if not any(k.lower() == stray.lower() for k in block):
            block[stray] = value
    block[key] = pattern
    return block
