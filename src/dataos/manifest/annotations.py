"""What a field of a manifest model says besides its type: the words it takes, the model of a free mapping, conditions.

Readers check words and conditions themselves, with better messages; these marks let the exported JSON Schemas
(`exports.py`) say the same. Nothing here changes how a document is read.
"""

from __future__ import annotations

from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

WORDS, ALSO, ONE_OR_MORE, MANIFEST, FREE = "x-words", "x-also", "x-lone", "x-manifest", "x-free"
"""Marks in a schema under construction; `exports` turns them into JSON Schema."""


class Words:
    """`Annotated[Text, Words("r", "rw")]`: one of these words, in any letter case. `also`: old spellings."""

    def __init__(self, *allowed: str, also: tuple[str, ...] = ()) -> None:
        self.allowed = allowed
        self.also = also

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {WORDS: list(self.allowed), ALSO: list(self.also)}


class Shape:
    """`Annotated[dict[str, Any], Shape(Model)]`: read later, as this model. `text`: a lone text is taken too;
    `lone`: one of them, or a list of them; `other`: another model that may stand there."""

    def __init__(
        self, model: type[Any], *, text: bool = False, lone: bool = False, other: type[Any] | None = None
    ) -> None:
        self.model = model
        self.other = other
        self.text = text
        self.lone = lone

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(self.model.__pydantic_core_schema__)
        options = [found, *([handler(self.other.__pydantic_core_schema__)] if self.other else [])]
        options += [{"type": "string"}] if self.text else []
        found = {"anyOf": options} if len(options) > 1 else found
        return {ONE_OR_MORE: found} if self.lone else found


class AnyManifest:
    """`Annotated[Any, AnyManifest()]`: a whole manifest of any kind."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {MANIFEST: True}


class Format:
    """`Annotated[Text, Format("pattern", "example")]`: a text of this form, as a regular expression of the whole."""

    def __init__(self, pattern: str, *examples: str) -> None:
        self.pattern = pattern
        self.examples = examples

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        more = {"examples": list(self.examples)} if self.examples else {}
        return {"type": ["string", "number", "boolean"], "pattern": whole(self.pattern), **more}


def whole(pattern: str) -> str:
    """The pattern over a whole text, or a text with a variable that is not filled in yet."""
    return rf"^(?:{pattern})$|\$"


def needs(*names: str) -> JsonSchemaValue:
    """All of these keys are there."""
    return {"required": list(names)}


def one_needed(*names: str) -> JsonSchemaValue:
    """At least one of these keys is there."""
    return {"anyOf": [needs(name) for name in names]}


def filled(*names: str) -> JsonSchemaValue:
    """These lists are not empty."""
    return {"properties": {name: {"minItems": 1} for name in names}}


def when_true(key: str, *then: JsonSchemaValue) -> JsonSchemaValue:
    """Where `key` is true, these hold."""
    return {"if": {"properties": {key: {"const": True}}, "required": [key]}, "then": {"allOf": list(then)}}


def never_both(first: str, second: str) -> JsonSchemaValue:
    """These keys exclude each other."""
    return {"not": needs(first, second)}


def when(key: str, word: str, *then: JsonSchemaValue) -> JsonSchemaValue:
    """Where `key` is this word (in any letter case), these hold."""
    said = {"properties": {key: {WORDS: [word], ALSO: []}}, "required": [key]}
    return {"if": said, "then": {"allOf": list(then)}}


def free() -> dict[str, Any]:
    """`json_schema_extra` of a model that takes any key."""
    return {FREE: True}


def rules(*conditions: JsonSchemaValue) -> dict[str, Any]:
    """`json_schema_extra` of a model whose keys depend on each other."""
    return {"allOf": list(conditions)}
