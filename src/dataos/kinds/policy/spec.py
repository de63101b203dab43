"""What a Policy manifest may say (ch08 3): who may do what with which objects, or which rows and values are seen.

Every unknown key is an error here: a policy that is understood in part would allow more than its author wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast

from dataos.kinds.policy.masks import Mask, MaskBlock, read_mask
from dataos.manifest import patterns
from dataos.manifest.annotations import Words, filled, needs, never_both, one_needed, rules, when
from dataos.manifest.blocks import Whole
from dataos.manifest.documents import Context, KindReading
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

DEFAULT_PRIORITY = 99
FILTER_OPERATORS = ("equals", "not_equals")

Groups = tuple[tuple[str, ...], ...]
"""OR of AND-groups of tag patterns."""


class TagsBlock(Spec, json_schema_extra=rules(filled("tags"))):
    """Who: tag patterns."""

    tags: tuple[Any, ...] = spelled("tag", lone=True)
    """Tags of users: a list of alternatives, or of groups that must all be there."""


class ObjectsBlock(Spec, json_schema_extra=rules(one_needed("paths", "tags"))):
    """What: addresses and API paths, or tag patterns."""

    paths: tuple[Text, ...] = spelled("path", default=(), lone=True)
    """Globs of addresses and API paths."""
    tags: tuple[Any, ...] = spelled("tag", default=(), lone=True)
    """Tags of objects."""


class AccessBlock(Spec, json_schema_extra=rules(filled("predicates"))):
    """`access`."""

    subjects: TagsBlock = spelled("subject")
    """Who."""
    predicates: tuple[Text, ...] = spelled("predicate", lone=True)
    """May do what: read, create, get, select."""
    objects: ObjectsBlock = spelled("object")
    """With which objects."""
    allow: bool = False
    """true allows, false denies."""
    name: Text = ""
    """Name of the policy."""
    description: Text = ""
    """What it is for."""
    collection: Text = "default"
    """Collection of policies."""


class UserSelector(Spec, json_schema_extra=rules(filled("tags"))):
    """Whose queries are changed."""

    match: Annotated[Text, Words("any", "all")]
    """Whether one tag is enough."""
    tags: tuple[Text, ...] = spelled("tag", lone=True)
    """Tags of users whose queries are changed."""


class ColumnSelector(Spec):
    """Which columns."""

    tags: tuple[Text, ...] = spelled("tag", default=(), lone=True)
    """Tags of the columns."""
    names: tuple[Text, ...] = spelled("name", default=(), lone=True)
    """Names of the columns."""


class Selector(Spec):
    """`selector`."""

    user: UserSelector
    """Whose queries are changed."""
    column: ColumnSelector | None = None
    """Which columns."""


class ValueFrom(Spec):
    """A value of the calling user."""

    user_attribute: Text = spelled("userAttribute", alias="user_attribute")


class FilterBlock(Spec, json_schema_extra=rules(one_needed("value", "valueFrom"))):
    """One entry of `filters`."""

    column: Text
    """Column that is compared."""
    operator: Annotated[Text, Words(*FILTER_OPERATORS)] = "equals"
    """Comparison."""
    value: Any = None
    """Value."""
    value_from: ValueFrom | None = spelled("value_from", default=None)
    """A value of the calling user."""
    supported_data_types: Any = None


_OF_TYPE = rules(when("type", "mask", needs("mask")), when("type", "filter", needs("filters")))


class DataBlock(Spec, json_schema_extra=_OF_TYPE):
    """`data`."""

    type: Annotated[Text, Words("mask", "filter")]
    """Change values, or leave rows out."""
    name: Text = ""
    """Name of the policy."""
    description: Text = ""
    """What it is for."""
    priority: Whole = DEFAULT_PRIORITY
    """1 to 100; the lower number wins."""
    depot: Text | None = None
    """Name or glob of the Depot."""
    collection: Text | None = None
    """Name or glob of the collection."""
    dataset: Text | None = None
    """Name or glob of the dataset."""
    dataset_id: Text | None = spelled("datasetId", default=None, alias="dataset_id")
    """depot.collection.dataset in one."""
    is_archived: bool = False
    """The policy is out of use."""
    selector: Selector
    """For whom, and which columns."""
    mask: MaskBlock | None = None
    """What is shown instead."""
    filters: tuple[FilterBlock, ...] = spelled("filter", default=(), lone=True)
    """Which rows are shown."""


class PolicySection(Spec, json_schema_extra=rules(one_needed("access", "data"), never_both("access", "data"))):
    """The section as written: one of both."""

    access: AccessBlock | None = None
    """Who may do what with which objects."""
    data: DataBlock | None = None
    """Which rows and values are seen."""


@dataclass(frozen=True)
class AccessPolicy:
    """Canonical. A request matches if a subject group, a predicate and an object (path or tag group) match."""

    name: str
    description: str
    collection: str
    subjects: Groups
    predicates: tuple[str, ...]
    paths: tuple[str, ...]
    object_tags: Groups
    allow: bool


@dataclass(frozen=True)
class Filter:
    """Rows for which this holds stay visible. `attribute`: the value is this attribute of the calling user."""

    column: str
    operator: str
    value: str | int | float | bool | None
    attribute: str | None = None


@dataclass(frozen=True)
class DataPolicy:
    """Canonical. `depot`, `collection`, `dataset`: names or globs; `**` is all."""

    type: str
    name: str
    description: str
    priority: int
    depot: str
    collection: str
    dataset: str
    archived: bool
    match_all: bool
    user_tags: tuple[str, ...]
    column_tags: tuple[str, ...]
    column_names: tuple[str, ...]
    mask: Mask | None
    filters: tuple[Filter, ...]


@dataclass(frozen=True)
class PolicySpec:
    """Exactly one of both."""

    access: AccessPolicy | None
    data: DataPolicy | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical PolicySpec. A policy refers to nothing: its objects may come later."""
    path: Path = (context.section,)
    before = len(reading.problems)
    written = _lift_selector(section, reading, path)
    spec = read_model(PolicySection, written, reading, path, strict=True)
    keys = {k.lower() for k, v in written.items() if v is not None} if isinstance(written, dict) else set[str]()
    both = keys & {"access", "data"}
    if isinstance(written, dict) and len(both) != 1:
        found = "both" if both else "neither"
        reading.error(path, f"a policy holds exactly one of `access` and `data`, found {found}")
        return None
    if spec is None:
        return None
    access = data = None
    if spec.access is not None:
        access = _access(spec.access, context, reading, (*path, "access"))
    elif spec.data is not None:
        data = _data(spec.data, context, reading, (*path, "data"))
    if len(reading.problems) > before:
        return None
    return KindReading(PolicySpec(access, data))


def _lift_selector(section: Any, reading: Reading, path: Path) -> Any:
    """`match` and `tags` directly below `selector`, beside an empty `user`, belong into `user` (ch08 3.4)."""
    if not isinstance(section, dict):
        return section
    block = dict(cast("dict[str, Any]", section))
    for key in [k for k in block if k.lower() == "data" and isinstance(block[k], dict)]:
        data = dict(cast("dict[str, Any]", block[key]))
        for name in [k for k in data if k.lower() == "selector" and isinstance(data[k], dict)]:
            selector = dict(cast("dict[str, Any]", data[name]))
            strays = {k: v for k, v in selector.items() if k.lower() in ("match", "tags")}
            user = next((k for k in selector if k.lower() == "user"), None)
            if strays and (user is None or not selector[user]):
                reading.warn(
                    (*path, key, name), "`match` and `tags` belong below `selector.user`", code="manifest.variant"
                )
                rest = {k: v for k, v in selector.items() if k not in strays and k != user}
                data[name] = {**rest, "user": strays}
        block[key] = data
    return block


def _access(block: AccessBlock, context: Context, reading: Reading, path: Path) -> AccessPolicy:
    subjects = _groups(block.subjects.tags, (*path, "subjects", "tags"), reading)
    where = (*path, "objects")
    object_tags = _groups(block.objects.tags, (*where, "tags"), reading) if block.objects.tags else ()
    if not block.objects.paths and not block.objects.tags:
        reading.error(where, "`paths` or `tags` are required", code="manifest.missing")
    elif block.objects.paths and block.objects.tags:
        reading.warn(where, "either may match: the policy holds for its `paths` and for its `tags`")
    _check_globs(block.objects.paths, (*where, "paths"), reading)
    if not block.predicates:
        reading.error((*path, "predicates"), "at least one predicate is required", code="manifest.missing")
    _check_globs(block.predicates, (*path, "predicates"), reading)
    if block.collection != "default":
        hint = "allowed: default"
        reading.error((*path, "collection"), f"collection `{block.collection}` does not exist", hint=hint)
    if block.allow:
        for tag in _broad(block.objects.tags):
            reading.warn(
                (*where, "tags"),
                f"`{tag}` alone allows everything that carries it: entries of a flat list are alternatives",
                hint="write `- - tag` groups if all tags shall be there",
            )
    return AccessPolicy(
        name=block.name or context.meta.name,
        description=block.description or context.meta.description,
        collection=block.collection,
        subjects=subjects,
        predicates=tuple(p.strip() for p in block.predicates),
        paths=tuple(p.strip() for p in block.objects.paths),
        object_tags=object_tags,
        allow=block.allow,
    )


def _broad(tags: tuple[Any, ...]) -> list[str]:
    """Tags of layers and types that stand alone in a flat list: each opens the whole layer or type."""
    starts = ("dataos:layer:", "dataos:type:", "dataos:resource:", "dataos:workspace:")
    flat = [t.strip() for t in tags if isinstance(t, str)]
    return [t for t in flat if t.lower().startswith(starts)] if len(flat) == len(tags) else []


def _groups(tags: tuple[Any, ...], path: Path, reading: Reading) -> Groups:
    if not tags:
        reading.error(path, "at least one tag is required", code="manifest.missing")
    found: list[tuple[str, ...]] = []
    for position, entry in enumerate(tags):
        where = (*path, position)
        group = tuple(cast("list[Any]", entry)) if isinstance(entry, list) else (entry,)
        if not group:
            reading.error(where, "the group is empty: it would match everyone")
        for tag in group:
            if not isinstance(tag, str):
                reading.error(where, "a tag is a text", hint="write `- tag`, or `- - tag` for groups")
        texts = tuple(t.strip() for t in group if isinstance(t, str))
        _check_globs(texts, where, reading)
        found.append(texts)
    return tuple(found)


def _check_globs(globs: tuple[str, ...], path: Path, reading: Reading) -> None:
    for text in globs:
        if text.strip().startswith("-- ") or text.strip().startswith("- "):
            hint = f"write `- - {text.strip().lstrip('- ')}`"
            reading.error(path, f"`{text}` is no list in YAML, but a text that begins with dashes", hint=hint)
        elif fault := patterns.glob_fault(text):
            reading.error(path, f"`{text}` {fault}", hint="escape a literal sign with a backslash")


def _data(block: DataBlock, context: Context, reading: Reading, path: Path) -> DataPolicy:
    kind = one_of(block.type, ("mask", "filter"), (*path, "type"), reading, "type of data policy")
    if not 1 <= block.priority <= 100:
        hint = "allowed: 1 to 100, the lower number wins"
        reading.error((*path, "priority"), f"priority {block.priority} is outside of 1 to 100", hint=hint)
    depot, collection, dataset = _dataset(block, reading, path)
    where = (*path, "selector", "user")
    match = one_of(block.selector.user.match, ("any", "all"), (*where, "match"), reading, "match")
    if not block.selector.user.tags:
        reading.error((*where, "tags"), "at least one tag is required", code="manifest.missing")
    _check_globs(block.selector.user.tags, (*where, "tags"), reading)
    column = block.selector.column or ColumnSelector()
    mask = None
    if kind == "mask":
        mask = _mask(block, column, reading, path)
    elif kind == "filter":
        _check_filter(block, reading, path)
    filters = tuple(_filter(f, (*path, "filters", i), reading) for i, f in enumerate(block.filters))
    return DataPolicy(
        type=kind or "",
        name=block.name or context.meta.name,
        description=block.description or context.meta.description,
        priority=block.priority,
        depot=depot,
        collection=collection,
        dataset=dataset,
        archived=block.is_archived,
        match_all=match == "all",
        user_tags=tuple(t.strip() for t in block.selector.user.tags),
        column_tags=column.tags,
        column_names=column.names,
        mask=mask,
        filters=filters,
    )


def _dataset(block: DataBlock, reading: Reading, path: Path) -> tuple[str, str, str]:
    parts = (block.depot, block.collection, block.dataset)
    if block.dataset_id is not None:
        split = block.dataset_id.strip().split(".", 2)
        if len(split) != 3 or not all(split):
            hint = "write `depot.collection.dataset`"
            reading.error((*path, "dataset_id"), f"`{block.dataset_id}` names no dataset", hint=hint)
            return "**", "**", "**"
        for key, own, other in zip(("depot", "collection", "dataset"), parts, split, strict=True):
            if own is not None and own != other:
                reading.error((*path, key), f"`{own}` contradicts dataset_id `{block.dataset_id}`")
        parts = tuple(split)
    for key, value in zip(("depot", "collection", "dataset"), parts, strict=True):
        if value is not None and (fault := patterns.glob_fault(value)):
            reading.error((*path, key), f"`{value}` {fault}")
    depot, collection, dataset = ((p or "**").strip() for p in parts)
    return depot, collection, dataset


def _mask(block: DataBlock, column: ColumnSelector, reading: Reading, path: Path) -> Mask | None:
    if block.filters:
        reading.error((*path, "filters"), "a policy of type `mask` has no filters", hint="write a second policy")
    if not column.tags and not column.names:
        where = (*path, "selector") if block.selector.column is None else (*path, "selector", "column")
        reading.error(
            where,
            "a mask needs the tags or names of its columns",
            code="manifest.missing",
            hint="write `column: {tags: [PII.Email]}` or `column: {names: [email]}`",
        )
    if block.mask is None:
        reading.error(path, "`mask` is required where the type is `mask`", code="manifest.missing")
        return None
    return read_mask(block.mask, (*path, "mask"), reading)


def _check_filter(block: DataBlock, reading: Reading, path: Path) -> None:
    if block.mask is not None:
        reading.error((*path, "mask"), "a policy of type `filter` has no mask", hint="write a second policy")
    if not block.filters:
        reading.error(path, "`filters` are required where the type is `filter`", code="manifest.missing")
    if block.selector.column is not None:
        where = (*path, "selector", "column")
        reading.warn(where, "`column` has no effect in a filter: each filter names its own column")


def _filter(block: FilterBlock, path: Path, reading: Reading) -> Filter:
    operator = one_of(block.operator, FILTER_OPERATORS, (*path, "operator"), reading, "operator")
    if not block.column.strip():
        reading.error((*path, "column"), "a filter names a column", code="manifest.missing")
    attribute = block.value_from.user_attribute.strip() if block.value_from is not None else None
    if block.value is None and attribute is None:
        reading.error(
            path, "`value` is required", code="manifest.missing", hint="or `valueFrom: {user_attribute: ...}`"
        )
    elif block.value is not None and attribute is not None:
        reading.error(path, "give either `value` or `valueFrom`, not both")
    elif attribute == "":
        reading.error((*path, "valueFrom", "user_attribute"), "the attribute has no name", code="manifest.missing")
    if block.value is not None and not isinstance(block.value, (str, int, float, bool)):
        reading.error((*path, "value"), "a filter compares with one text, number or boolean")
    return Filter(block.column.strip(), operator or "", block.value, attribute)
