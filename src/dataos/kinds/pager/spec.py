"""What a Pager manifest may say (ch08 8): which incidents it takes, and where it sends them.

Addresses of hooks let whoever knows them write there: they are sealed like tokens and the values of headers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, cast

from dataos.manifest import locations, patterns
from dataos.manifest.annotations import Words, filled, one_needed, rules
from dataos.manifest.blocks import paths_where
from dataos.manifest.documents import MASK, Context, KindReading
from dataos.manifest.specs import Path, Reading, Spec, Text, one_of, read_model, spelled

OPERATORS = (*patterns.OPERATORS, "contains")
VERBS = ("GET", "POST", "PUT", "DELETE", "PATCH")
TEMPLATE_TYPES = ("go", "liquid")
CHANNELS = ("email", "msTeams", "webHook")


class PagerCondition(Spec):
    """Looked at for each incident."""

    value_jq_filter: Text
    """jq program that finds a value in the incident."""
    operator: Annotated[Text, Words(*OPERATORS)]
    """Comparison."""
    value: Text
    """Value to compare with."""


class EmailBlock(Spec, json_schema_extra=rules(filled("emailTargets"))):
    """A mail."""

    email_targets: tuple[Text, ...] = spelled("emailTarget", "targets", lone=True)
    """Addresses."""
    template_type: Annotated[Text, Words(*TEMPLATE_TYPES)] | None = None
    """Language of the template."""
    template: Text | None = spelled("bodyTemplate", default=None)
    """Text of the mail."""


class TeamsBlock(Spec):
    """A card in a channel."""

    web_hook_url: Text = spelled("url")
    """Address of the channel's hook; it is sealed."""


class AuthorizationBlock(Spec):
    """A token, and the header that carries it."""

    token: Text
    """Token; it is sealed."""
    custom_header: Text | None = None
    """Header that carries it; Authorization if left out."""


class WebHookBlock(Spec):
    """A request."""

    url: Text = spelled("webHookUrl")
    """Address; it is sealed."""
    verb: Annotated[Text, Words(*VERBS)] = spelled("method")
    """Method of the request."""
    content_type: Text = "application/json"
    """Type of the body."""
    headers: dict[str, Text] = spelled("header", default={})
    """Headers."""
    authorization: AuthorizationBlock | None = None
    """Token of the request."""
    template_type: Annotated[Text, Words(*TEMPLATE_TYPES)] | None = None
    """Language of the template."""
    body_template: Text | None = spelled("template", default=None)
    """Text of the body."""


class OutputBlock(Spec, json_schema_extra=rules(one_needed("email", "msTeams", "webHook"))):
    """At least one of them; each is used."""

    email: EmailBlock | None = None
    """A mail."""
    ms_teams: TeamsBlock | None = None
    """A card in a channel."""
    web_hook: WebHookBlock | None = None
    """A request."""


class PagerSection(Spec, json_schema_extra=rules(filled("conditions"))):
    """The section as written."""

    conditions: tuple[PagerCondition, ...] = spelled("condition", lone=True)
    """Which incidents are taken; all must hold."""
    output: OutputBlock = spelled("outputs")
    """Where they are sent."""


@dataclass(frozen=True)
class Condition:
    """All of a Pager's conditions must hold."""

    filter: str
    operator: str
    value: str


@dataclass(frozen=True)
class Email:
    """`template` None: the built-in mail."""

    targets: tuple[str, ...]
    template_type: str
    template: str | None


@dataclass(frozen=True)
class WebHook:
    """`body` None: the incident as JSON. `token` goes into `token_header`, as a bearer where that is Authorization."""

    url: str
    verb: str
    content_type: str
    headers: dict[str, str]
    token: str | None
    token_header: str
    template_type: str
    body: str | None

    def __repr__(self) -> str:
        return f"WebHook(verb={self.verb!r}, headers={sorted(self.headers)})"


@dataclass(frozen=True, repr=False)
class PagerSpec:
    """Canonical Pager. `teams_url`: the hook of a channel."""

    conditions: tuple[Condition, ...]
    email: Email | None
    teams_url: str | None
    web_hook: WebHook | None


def read(section: Any, context: Context, reading: Reading) -> KindReading | None:
    """Canonical PagerSpec. Tokens, headers and the addresses of hooks are sealed."""
    path: Path = (context.section,)
    before = len(reading.problems)
    data = _lift(section, reading, path)
    spec = read_model(PagerSection, data, reading, path, strict=True)
    if spec is None:
        return None
    if not spec.conditions:
        reading.error((*path, "conditions"), "at least one condition is required", code="manifest.missing")
    conditions = tuple(_condition(c, (*path, "conditions", i), reading) for i, c in enumerate(spec.conditions))
    out, where = spec.output, (*path, "output")
    if out.email is None and out.ms_teams is None and out.web_hook is None:
        hint = "channels: " + ", ".join(CHANNELS)
        reading.error(where, "at least one channel is required", code="manifest.missing", hint=hint)
    email = _email(out.email, (*where, "email"), reading) if out.email else None
    if out.ms_teams is not None:
        _check_hook(out.ms_teams.web_hook_url, (*where, "msTeams", "webHookUrl"), reading)
    hook = _web_hook(out.web_hook, (*where, "webHook"), reading) if out.web_hook else None
    if len(reading.problems) > before:
        return None
    teams = out.ms_teams.web_hook_url.strip() if out.ms_teams else None
    return KindReading(PagerSpec(conditions, email, teams, hook), secret_paths=tuple(paths_where(section, _is_secret)))


def _lift(section: Any, reading: Reading, path: Path) -> Any:
    """Channels in odd places move below `output`."""
    if not isinstance(section, dict):
        return section
    block = dict(cast("dict[str, Any]", section))
    key = next((k for k in block if k.lower() in ("output", "outputs")), "output")
    output: Any = block.get(key)
    if output is not None and not isinstance(output, dict):
        return block
    out = dict(cast("dict[str, Any]", output or {}))
    moved: dict[str, Path] = {k.lower(): (key, k) for k in out}
    for name in [k for k in block if k.lower() in ("email", "msteams", "webhook", "emailtargets")]:
        if name.lower() not in moved:
            out[name] = block.pop(name)
            moved[name.lower()] = (name,)
            reading.warn((*path, name), f"`{name}` belongs below `output`", code="manifest.variant")
    for outer in [k for k in out if k.lower() in ("msteams", "webhook") and isinstance(out[k], dict)]:
        inner = dict(cast("dict[str, Any]", out[outer]))
        for name in [k for k in inner if k.lower() in ("email", "webhook", "msteams") and k.lower() not in moved]:
            out[name] = inner.pop(name)
            moved[name.lower()] = (*moved[outer.lower()], name)
            where = (*path, *moved[name.lower()])
            reading.warn(where, f"`{name}` belongs below `output`", code="manifest.variant")
        out[outer] = inner
    _lift_email(out, reading, (*path, key))
    if out or output is not None:
        block[key] = out
    return block


def _lift_email(out: dict[str, Any], reading: Reading, path: Path) -> None:
    """`email: [a@x]` and `emailTargets` beside or instead of `email`."""
    key = next((k for k in out if k.lower() == "email"), "email")
    if isinstance(out.get(key), (str, list)):
        reading.warn((*path, key), "`email` is read as `email.emailTargets`", code="manifest.variant")
        out[key] = {"emailTargets": out[key]}
    for stray in [k for k in out if k.lower() == "emailtargets"]:
        reading.warn((*path, stray), "`emailTargets` belongs below `email`", code="manifest.variant")
        targets = out.pop(stray)
        mail = out.get(key)
        if mail is None or isinstance(mail, dict):
            out[key] = {"emailTargets": targets, **cast("dict[str, Any]", mail or {})}


def _is_secret(path: Path) -> bool:
    """Tokens, addresses of hooks, and headers that may log someone in, wherever they stand."""
    keys = [str(part).lower() for part in path]
    if any(key in ("headers", "header") for key in keys[:-1]):
        return not _plain_header(keys[-1])
    return keys[-1] in ("token", "webhookurl", "url")


def _plain_header(name: str) -> bool:
    """Headers that say what is sent and log nobody in."""
    return name.lower() in ("content-type", "accept", "user-agent", "content-language", "accept-language")


def _condition(block: PagerCondition, path: Path, reading: Reading) -> Condition:
    if fault := patterns.jq_fault(block.value_jq_filter):
        where = (*path, "valueJqFilter")
        reading.error(where, f"filter `{block.value_jq_filter}` {fault}", hint=patterns.JQ_HINT)
    operator = one_of(block.operator, OPERATORS, (*path, "operator"), reading, "operator")
    return Condition(block.value_jq_filter.strip(), operator or "", block.value)


def _email(block: EmailBlock, path: Path, reading: Reading) -> Email:
    if not block.email_targets:
        reading.error((*path, "emailTargets"), "at least one address is required", code="manifest.missing")
    for position, target in enumerate(block.email_targets):
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", target.strip()):
            reading.error((*path, "emailTargets", position), f"`{target[:80]}` is no mail address")
    kind = _template_type(block.template_type, path, reading)
    return Email(tuple(t.strip() for t in block.email_targets), kind, block.template)


def _template_type(word: str | None, path: Path, reading: Reading) -> str:
    if word is None:
        return "go"
    return one_of(word, TEMPLATE_TYPES, (*path, "templateType"), reading, "templateType") or "go"


def _check_hook(url: str, path: Path, reading: Reading) -> None:
    """An http address. It is a secret, so no message repeats it; sealed, it is a text of the vault."""
    if url.startswith("vault:") or url == MASK:
        return
    quiet = Reading()
    locations.check_url(url, ("http", "https"), path, quiet)
    if quiet.problems:
        reading.error(path, "the value is no address", hint="write an address that begins with https://")


def _web_hook(block: WebHookBlock, path: Path, reading: Reading) -> WebHook:
    _check_hook(block.url, (*path, "url"), reading)
    verb = one_of(block.verb, VERBS, (*path, "verb"), reading, "verb")
    for name in block.headers:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            reading.error((*path, "headers", name), f"`{name}` is no name of a header")
        elif "\n" in block.headers[name] or "\r" in block.headers[name]:
            reading.error((*path, "headers", name), "a header is one line")
    content_type = next((v for k, v in block.headers.items() if k.lower() == "content-type"), block.content_type)
    token = block.authorization.token if block.authorization else None
    custom = (block.authorization.custom_header or "").strip() if block.authorization else ""
    if custom and not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", custom):
        reading.error((*path, "authorization", "customHeader"), f"`{custom}` is no name of a header")
    return WebHook(
        url=block.url.strip(),
        verb=verb or "",
        content_type=content_type,
        headers=dict(block.headers),
        token=token,
        token_header=custom or "Authorization",
        template_type=_template_type(block.template_type, path, reading),
        body=block.body_template,
    )
