"""JSON Schemas of the models that manifests are read with: spellings, words, conditions and empty values included.

`exports.py` puts them together to schemas of whole manifests.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from dataos.core import names
from dataos.manifest import registry
from dataos.manifest.annotations import ALSO, FREE, MANIFEST, ONE_OR_MORE, WORDS, whole
from dataos.manifest.runnables import RunnableBlock
from dataos.manifest.specs import Spec

VARIABLE: JsonSchemaValue = {"type": "string", "pattern": r"\$"}
"""A text with a variable in it, in the place of any value."""
_STACKS, _OR_NULL = "x-stacks", "x-null"
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""Pydantic's own names, which it leaves where a validator stands before the type."""
_VALUES = ("default", "examples", "enum", "const")


def field_docs(model: type[Spec]) -> dict[str, str]:
    """What is written below the fields of a model, its bases' included. Read from the source: pydantic would read it
    at each start."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, Spec) or base is Spec:
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):  # no source there: a frozen program
            continue
        body = cast("ast.ClassDef", tree.body[0]).body
        for field, text in itertools.pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found[field.target.id] = inspect.cleandoc(text.value.value).replace("\n", " ")
    for name, info in model.model_fields.items():
        if info.description:
            found[name] = info.description
    return found


def _name_of(model: type[Spec]) -> str:
    """`kinds.workflow.WorkflowSection`."""
    return f"{model.__module__.removeprefix('dataos.').replace('.spec', '')}.{model.__name__}"


class Build:
    """Collects the definitions of one document. `any_kind`: makes the schema of a manifest of any kind."""

    def __init__(self, strict: bool, any_kind: Callable[[Build], JsonSchemaValue]) -> None:
        self.strict = strict
        self._any_kind = any_kind
        self._definitions: dict[str, JsonSchemaValue] = {}
        self._models: dict[type[Spec], str] = {}

    def refer(self, model: type[Spec]) -> JsonSchemaValue:
        """A reference to a model, which is put into the definitions with all that it holds."""
        if model not in self._models:
            name = _name_of(model)
            self._models[model] = name
            self._definitions[name] = {}
            whole_schema = self._generate(model)
            inner = whole_schema.pop("$defs", {})
            if "$ref" in whole_schema:  # it refers to itself
                whole_schema = {"allOf": [whole_schema]}
            self._definitions |= inner
            self._definitions[name] = whole_schema
        return {"$ref": f"#/$defs/{self._models[model]}"}

    def properties(self, model: type[Spec]) -> dict[str, Any]:
        """Of a model whose keys stand among others."""
        whole_schema = self._generate(model)
        self._definitions |= whole_schema.get("$defs", {})
        return cast("dict[str, Any]", whole_schema["properties"])

    def allow(self, model: type[Spec], keys: Iterable[str]) -> None:
        """Keys that a model's section may hold besides: their schema stands elsewhere."""
        self.refer(model)
        properties = self._definitions[self._models[model]]["properties"]
        for key in keys:
            properties.setdefault(key, {})

    def any_manifest(self) -> JsonSchemaValue:
        """A reference to the schema of a manifest of any kind."""
        if "manifest" not in self._definitions:
            self.define("manifest", {})  # a Bundle holds manifests
            self.define("manifest", self._any_kind(self))
        return {"$ref": "#/$defs/manifest"}

    def define(self, name: str, schema: JsonSchemaValue) -> None:
        """Put a schema into the definitions."""
        self._definitions[name] = schema

    def definitions(self) -> dict[str, JsonSchemaValue]:
        """All of them, in the order of their names."""
        return dict(sorted(self._definitions.items()))

    def words(self, allowed: Iterable[str], also: Iterable[str], *, empty: bool = False) -> JsonSchemaValue:
        """A text that is one of some words."""
        return _words([*allowed], [*also, *([""] if empty else [])], self.strict)

    def _generate(self, model: type[Spec]) -> dict[str, Any]:
        build = self

        class Generator(_Generator):
            strict = build.strict

        prefix = _name_of(model)
        template = f"#/$defs/{prefix}.{{model}}"
        made = model.model_json_schema(by_alias=True, ref_template=template, schema_generator=Generator)
        if "$defs" in made:  # classes of different kinds share their names
            made["$defs"] = {f"{prefix}.{name}": inner for name, inner in made["$defs"].items()}
        return cast("dict[str, Any]", self.finish(made))

    def finish(self, schema: Any) -> Any:
        """Marks become JSON Schema; numbers and booleans may be texts (`"8080"`, `$PORT`)."""
        if isinstance(schema, list):
            return [self.finish(s) for s in cast("list[Any]", schema)]
        if not isinstance(schema, dict):
            return schema
        body = {
            key: value if key in _VALUES else self.finish(value)
            for key, value in cast("dict[str, Any]", schema).items()
        }
        if body.pop(_STACKS, False):
            body["allOf"] = [*body.get("allOf", []), *self._stack_specs()]
            body["properties"]["stack"] |= self._stack_names()
        if body.pop(MANIFEST, False):
            body |= self.any_manifest()
        if WORDS in body:
            body |= _words(body.pop(WORDS), body.pop(ALSO), self.strict)
        if ONE_OR_MORE in body:
            one = body.pop(ONE_OR_MORE)
            many = {"type": "array", "items": one}
            body["anyOf"] = [many, one, *({"type": "null"},) * body.pop(_OR_NULL, 0)]
        return _lenient(body)

    def _stack_names(self) -> JsonSchemaValue:
        """`name[+flavour][:version]` of the stacks that are known; the newest version of each is offered."""
        stacks = [stack for name in registry.known_stacks() if (stack := registry.find_stack(name))]
        offered = [f"{s.name}{f}:{s.versions[0]}" for s in stacks for f in ([f"+{x}" for x in s.flavours] or [""])]
        spelled = "|".join(_any_case(word) for s in stacks for word in (s.name, *s.aliases))
        form = rf"\s*(?:{spelled})(?:\+[-_A-Za-z0-9]+)?(?::[0-9]+(?:\.[0-9]+)*)?\s*"
        return {"type": "string", "pattern": whole(form), "examples": offered}

    def _stack_specs(self) -> list[JsonSchemaValue]:
        """`stackSpec` by what `stack` says."""
        chosen: list[JsonSchemaValue] = []
        for name in registry.known_stacks():
            stack = registry.find_stack(name)
            model = registry.written_model(stack.spec) if stack else None
            if stack is None or model is None:
                continue
            spelled = "|".join(_any_case(word) for word in (stack.name, *stack.aliases))
            said = {"properties": {"stack": {"pattern": rf"^\s*({spelled})\s*([+:].*)?$"}}, "required": ["stack"]}
            chosen.append({"if": said, "then": {"properties": {"stackSpec": self.refer(model)}}})
        return chosen


class _Generator(GenerateJsonSchema):
    """Pydantic's, with what `read_model` takes besides: other spellings, empty values, lone values."""

    strict = False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model = schema["cls"]
        if issubclass(model, Spec):
            self._open(made, model)
            if issubclass(model, RunnableBlock):
                made[_STACKS] = True
        return made

    def _open(self, made: JsonSchemaValue, model: type[Spec]) -> None:
        made.pop("title", None)
        if not model.__doc__:
            made.pop("description", None)
        elif "description" in made:
            made["description"] = names.without_places(made["description"])
        docs = field_docs(model)
        properties = cast("dict[str, Any]", made.get("properties", {}))
        spellings: dict[str, list[str]] = {}
        needed: list[JsonSchemaValue] = []
        for name, info in model.model_fields.items():
            key = info.alias or name
            extra = cast("dict[str, Any]", info.json_schema_extra) if isinstance(info.json_schema_extra, dict) else {}
            variants = [v for v in extra.get("variants", ()) if v != key and v not in properties]
            shown = {k: v for k, v in properties[key].items() if k not in ("title", "variants", "lone", "default")}
            if extra.get("lone"):
                shown = {ONE_OR_MORE: shown["items"]} if "items" in shown else shown
            if not info.is_required():
                shown = _or_null(shown)
                if isinstance(info.default, (str, int, float)) and info.default != "":
                    shown["default"] = info.default
            if name in docs:
                shown["description"] = docs[name]
            properties[key] = shown
            if self.strict:
                continue
            spellings[key] = [key, *variants]
            for variant in variants:
                note = f"Old spelling of `{key}`."
                properties[variant] = {**shown, "description": note, "deprecated": True, "deprecationMessage": note}
            if info.is_required() and variants:
                made["required"] = [r for r in made["required"] if r != key]
                needed.append({"required": [key]})
        made["allOf"] = [_spelled(rule, spellings) for rule in [*made.get("allOf", []), *needed]]
        if not made["allOf"]:
            del made["allOf"]
        if not made.get("required", True):
            del made["required"]
        made.pop("additionalProperties", None)
        if self.strict and not made.get(FREE):
            made["additionalProperties"] = False
        made.pop(FREE, None)


def _spelled(rule: Any, spellings: dict[str, list[str]]) -> Any:
    """A condition of a model, for all spellings of its keys."""
    if isinstance(rule, list):
        return [_spelled(r, spellings) for r in cast("list[Any]", rule)]
    if not isinstance(rule, dict):
        return rule
    body = {k: _spelled(v, spellings) if k != "required" else v for k, v in cast("dict[str, Any]", rule).items()}
    required = [str(r) for r in body.get("required", [])]
    varied = [r for r in required if len(spellings.get(r, [])) > 1]
    if varied and "properties" not in body:
        rest = [r for r in required if r not in varied]
        del body["required"]
        options: list[Any] = [{"anyOf": [{"required": [s]} for s in spellings[r]]} for r in varied]
        options += [{"required": rest}] if rest else []
        return {**body, "allOf": options} if body or len(options) > 1 else options[0]
    return body


def _or_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """An empty value means the default."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kind, "null"]} if kind != "null" else schema
    if isinstance(kind, list):
        return schema if "null" in kind else {**schema, "type": [*cast("list[str]", kind), "null"]}
    if ONE_OR_MORE in schema:
        return {**schema, _OR_NULL: 1}
    options = cast("list[Any]", schema.get("anyOf", []))
    if not schema or {"type": "null"} in options:
        return schema
    if options:
        return {**schema, "anyOf": [*options, {"type": "null"}]}
    return {"anyOf": [schema, {"type": "null"}]}


# --- values -----------------------------------------------------------------------------------------------------------

_BOOLEAN = "(?:[tT]([rR][uU][eE])?|[fF]([aA][lL][sS][eE])?|[yY]([eE][sS])?|[nN][oO]?|[oO]([nN]|[fF][fF])|[01])"


def _lenient(body: dict[str, Any]) -> dict[str, Any]:
    """Numbers and booleans may be written as texts."""
    body = {_BOUNDS.get(key, key): value for key, value in body.items()}
    kind = body.get("type")
    kinds = cast("list[str]", kind) if isinstance(kind, list) else [kind]
    if "string" in kinds or "enum" in body or "const" in body:
        return body
    if "integer" in kinds or "number" in kinds:
        number = r"\s*[-+]?[0-9]+(\.0*)?\s*" if "integer" in kinds else r"\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*"
        return {**body, "type": [*kinds, "string"], "pattern": whole(number)}
    if "boolean" in kinds:
        return {**body, "type": [*kinds, "string", "integer"], "pattern": whole(_BOOLEAN), "minimum": 0, "maximum": 1}
    return body


def _words(allowed: list[str], also: list[str], strict: bool) -> JsonSchemaValue:
    """One of some words; any letter case is taken, the documented one is offered."""
    known = allowed if strict else [*allowed, *also]
    pattern = "|".join(_any_case(word) for word in known)
    return {"anyOf": [{"enum": list(allowed)}, {"type": "string", "pattern": whole(rf"\s*(?:{pattern})\s*")}]}


def _any_case(word: str) -> str:
    """A pattern of a word: JSON Schema has no flag for it."""
    return "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else re.escape(c) for c in word)
