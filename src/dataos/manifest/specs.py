"""Reading free-form manifest data into frozen models: the one place where spelling variants die.

A model derives from `Spec`; its fields carry the canonical (camelCase) spelling as alias and list other accepted
spellings with `spelled(...)`. `read_model` renames variants with one warning each, tells unknown keys apart (close to
a known one: error with a suggestion; else a warning, kept out of the model), then validates with Pydantic and reports
every fault at once, each with its path. Nothing deeper knows that variants exist (architecture 1.5; spec README).
"""

from __future__ import annotations

import difflib
import json
import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from dataos.core import names
from dataos.core.errors import DataOSError, Problem
from dataos.manifest.custom_stacks import CustomStack

T = TypeVar("T")

Path = tuple[str | int, ...]
"""Where a value stands in a manifest: keys and list positions."""


LATER_HINT = "it comes with a later version: see docs/roadmap.md"


def render(path: Path) -> str:
    """`("workflow", "dag", 0, "name")` -> `workflow.dag[0].name`. A key that holds a `.` or a bracket, or nothing,
    stands as `["a.b"]`. `loader.parse_path` is the inverse."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part and not _ODD_KEY.search(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text


_ODD_KEY = re.compile(r"[.\[\]\"\\]")


@dataclass
class Reading:
    """Collects what is found while a document is read. Errors and warnings keep their path; places come later."""

    problems: list[Problem] = field(default_factory=list[Problem])
    warnings: list[Problem] = field(default_factory=list[Problem])
    unsupported: list[Problem] = field(default_factory=list[Problem])  # right, but this version cannot do it
    stacks: tuple[CustomStack, ...] = ()  # Stacks that documents of the same set define

    def inner(self) -> Reading:
        """A reading for a document inside this one: what is found is kept apart."""
        return Reading(stacks=self.stacks)

    def error(self, path: Path, message: str, *, code: str = "manifest.invalid", hint: str = "", **more: Any) -> None:
        """Record a fault that makes the document unusable."""
        self.problems.append(Problem(code, message, hint=hint, path=render(path) or None, **more))

    def warn(self, path: Path, message: str, *, code: str = "manifest.notice", hint: str = "") -> None:
        """Record something the author should know; the document stays usable."""
        problem = Problem(code, message, hint=hint, path=render(path) or None)
        if problem not in self.warnings:
            self.warnings.append(problem)

    def later(self, path: Path, message: str, *, code: str = "manifest.unsupported", hint: str = "") -> None:
        """Record what is right but not built yet: a warning for `validate` and `plan`, refused at apply."""
        problem = Problem(code, message, hint=hint or LATER_HINT, path=render(path) or None)
        if problem not in self.unsupported:
            self.unsupported.append(problem)

    def attempt(self, path: Path, parse: typing.Callable[[], T]) -> T | None:
        """Run a parser that raises DataOSError; its problems land here with the path, the result is None then."""
        try:
            return parse()
        except DataOSError as error:
            for problem in error.problems:
                self.error(
                    path,
                    problem.message,
                    code=problem.code,
                    hint=problem.hint,
                    line=problem.line,
                    column=problem.column,
                )
            return None


def _to_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return value


Text = Annotated[str, BeforeValidator(_to_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
"""A string field. Numbers and booleans that YAML made of plain text come back as written (`2.0`, `true`)."""


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


LowerText = Annotated[str, BeforeValidator(_lower)]
"""A word whose letter case does not matter; kept in lower case."""

UpperText = Annotated[str, BeforeValidator(_upper)]
"""A word whose letter case does not matter; kept in upper case."""


class Spec(BaseModel):
    """Base of all manifest models: frozen, camelCase aliases, unknown keys are dealt with by `read_model`."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_alias=True, validate_by_name=False
    )


def spelled(*variants: str, default: Any = ..., lone: bool = False, alias: str | None = None, **more: Any) -> Any:
    """A field that is also accepted under other spellings; with `lone`, a single value is a list of one."""
    extra: dict[str, Any] = {"variants": list(variants), "lone": lone}
    if alias is not None:
        more["alias"] = alias
    return Field(default=default, json_schema_extra=extra, **more)


M = TypeVar("M", bound=Spec)


def read_model(
    model: type[M], data: Any, reading: Reading, path: Path, *, strict: bool = False, go_on: bool = False
) -> M | None:
    """Normalise `data` for `model` and validate it. None if anything was wrong (all faults are in `reading`).

    `go_on`: unknown keys are problems, and what is known is read nevertheless, so that all its faults come at once;
    the caller looks whether there were problems.

    `strict`: every unknown key is an error. For what may not be half understood (policies), and where a stray value
    would be kept without being sealed (secrets).
    """
    before = len(reading.problems)
    clean = normalise(model, data, reading, path, strict=strict)
    if clean is None:
        return None
    try:
        parsed = model.model_validate(clean)
    except ValidationError as error:
        for item in error.errors():
            where = path + tuple(item["loc"])
            message, hint = _explain(item, where)
            missing = item["type"] == "missing"
            reading.error(
                where[:-1] if missing else where,
                f"`{where[-1]}` is required" if missing else message,
                code="manifest.missing" if missing else "manifest.invalid",
                hint=hint,
            )
        return None
    return parsed if go_on or len(reading.problems) == before else None


def normalise(
    model: type[Spec], data: Any, reading: Reading, path: Path, *, strict: bool = False
) -> dict[str, Any] | None:
    """Rename variant keys, drop unknown ones with a notice, wrap lone values, recurse into nested models."""
    if data is None:
        data = {}
    if not isinstance(data, dict):
        reading.error(path, f"expected a mapping, found {_kind_of(data, path)}")
        return None
    source = cast("dict[str, Any]", data)
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    clean: dict[str, Any] = {}
    written: dict[str, str] = {}
    for key, value in source.items():
        canonical = _canonical_key(str(key), fields)
        if canonical is None:
            _unknown_key(str(key), fields, reading, path, strict)
            continue
        if canonical in written:
            reading.warn((*path, str(key)), f"`{key}` repeats `{written[canonical]}`; `{canonical}` wins")
            if key != canonical:
                continue
        elif key != canonical:
            reading.warn((*path, str(key)), f"`{key}` is read as `{canonical}`", code="manifest.variant")
        written[canonical] = str(key)
        if value is None and not fields[canonical].is_required():
            continue  # an empty value means the default
        clean[canonical] = _nested(fields[canonical], value, reading, (*path, canonical), strict)
    return clean


def _canonical_key(key: str, fields: dict[str, FieldInfo]) -> str | None:
    if key in fields:
        return key
    folded = key.casefold()
    for canonical, info in fields.items():
        spellings = (canonical, *_extra(info, "variants", ()))
        if any(folded == s.casefold() for s in spellings):
            return canonical
    return None


def _unknown_key(key: str, fields: dict[str, FieldInfo], reading: Reading, path: Path, strict: bool) -> None:
    close = difflib.get_close_matches(key, fields, n=1, cutoff=0.75)
    close = close or [f for f in fields if sorted(f) == sorted(key)]  # `alc` for `acl`: too short for a ratio
    if close:
        reading.error(
            (*path, key), f"unknown key `{key}`", code="manifest.unknown_key", hint=f"did you mean `{close[0]}`?"
        )
    elif strict or is_credential(key):  # what is not known is kept as it is: a password would not be sealed
        known = "known here: " + ", ".join(sorted(fields))
        reading.error((*path, key), f"unknown key `{key}`", code="manifest.unknown_key", hint=known)
    else:
        reading.warn(
            (*path, key),
            f"unknown key `{key}` has no effect",
            code="manifest.unknown_key",
            hint="known here: " + ", ".join(sorted(fields)),
        )


_CREDENTIAL = re.compile(r"(password|passwd|passphrase|pwd|secret|secretkey|token|api_?key|accesskey|privatekey)$")


def is_credential(name: str) -> bool:
    """Whether a key's name says that its value is one."""
    return _CREDENTIAL.search(name.lower()) is not None


def _extra(info: FieldInfo, name: str, default: Any) -> Any:
    extra = info.json_schema_extra
    return extra.get(name, default) if isinstance(extra, dict) else default


def _nested(info: FieldInfo, value: Any, reading: Reading, path: Path, strict: bool) -> Any:
    if _extra(info, "lone", False) and not isinstance(value, list):
        value = [value]
    for shape, model in _models_in(info.annotation):
        if shape == "one" and isinstance(value, dict):
            return normalise(model, value, reading, path, strict=strict) or {}
        if shape == "many" and isinstance(value, list):
            items = cast("list[Any]", value)
            return [
                (normalise(model, item, reading, (*path, i), strict=strict) or {}) if isinstance(item, dict) else item
                for i, item in enumerate(items)
            ]
        if shape == "map" and isinstance(value, dict):
            entries = cast("dict[str, Any]", value)
            return {
                k: (normalise(model, v, reading, (*path, k), strict=strict) or {}) if isinstance(v, dict) else v
                for k, v in entries.items()
            }
    return value


def _models_in(annotation: Any) -> Iterator[tuple[str, type[Spec]]]:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is Annotated:
        yield from _models_in(arguments[0])
    elif origin in (typing.Union, types.UnionType):
        for argument in arguments:
            yield from _models_in(argument)
    elif origin in (list, tuple):
        for shape, model in _models_in(arguments[0] if arguments else None):
            if shape == "one":
                yield "many", model
    elif origin is dict:
        for shape, model in _models_in(arguments[1] if len(arguments) > 1 else None):
            if shape == "one":
                yield "map", model
    elif isinstance(annotation, type) and issubclass(annotation, Spec):
        yield "one", annotation


_UNSHOWN = frozenset(
    {
        "secret",
        "instance-secret",
        "connectionsecret",
        "connectionsecrets",
        "data",
        "values",
        "secrets",
        "dataossecrets",
        "files",
        "dsn",
        "authorization",
        "token",
        "runasapikey",
        "webhook",
        "msteams",
        "headers",
        "envs",
        "credentials",
        "gcsconfig",
        "outputs",
        "address",
    }
)
"""Below these keys stand values of secrets: a message names their kind, never the value itself."""


def _is_unshown(part: str | int) -> bool:
    return isinstance(part, str) and (part.casefold() in _UNSHOWN or is_credential(part))


def _kind_of(value: Any, path: Path) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if value is not None and any(_is_unshown(part) for part in path):
        return "a number" if isinstance(value, (int, float)) else "a text"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f"the text '{value[:40]}'"
    return "nothing" if value is None else f"the number {value}"


_WANTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _explain(item: Any, path: Path) -> tuple[str, str]:
    wanted = _WANTED.get(item["type"])
    found = _kind_of(item.get("input"), path)
    if wanted:
        return f"expected {wanted}, found {found}", ""
    if item["type"] == "literal_error":
        return f"{found} is not allowed here", f"allowed: {item['ctx']['expected']}"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{message} (found {found})", ""


def choose(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that equals `word` in any letter case, or None."""
    folded = word.strip().casefold()
    return next((a for a in allowed if a.casefold() == folded), None)


def suggest(word: str, allowed: Iterable[str]) -> str:
    """Hint text for a word that is not allowed."""
    options = list(allowed)
    close = names.nearest(word, options, 1)
    return (f"did you mean `{close[0]}`? " if close else "") + "allowed: " + ", ".join(options)


def one_of(word: str, allowed: Iterable[str], path: Path, reading: Reading, what: str) -> str | None:
    """The canonical spelling of an enumerated word in any letter case; records an error if it is none of them."""
    options = list(allowed)
    found = choose(word, options)
    if found is None:
        reading.error(path, f"{what} `{word}` is not allowed", hint=suggest(word, options))
    return found
