"""What a stackSpec of the stack `container` may say: any image as a job, a service or a worker (ch03 6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dataos.core import names
from dataos.core.addresses import ResourceKey
from dataos.manifest.documents import Reference
from dataos.manifest.specs import Path, Reading, Spec, Text, read_model, spelled
from dataos.manifest.stacks import Use

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?P<name>(?:{_HOST}(?::[0-9]{{1,5}})?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class StackBlock(Spec):
    """The stackSpec as written."""

    image: Text
    """Image with its registry; `latest` where it has no tag."""
    image_pull_secret: Text | None = spelled("imagePullSecrets", default=None)
    """Secret of the workspace that opens the registry."""
    command: tuple[Text, ...] = spelled(default=(), lone=True)
    """Program in the place of the image's own, word by word."""
    arguments: tuple[Text, ...] = spelled("argument", "args", default=(), lone=True)
    """Arguments in the place of the image's own, word by word."""


@dataclass(frozen=True)
class ContainerSpec:
    """One container. `image` has a tag or a digest. Empty `command` and `arguments`: those of the image."""

    image: str
    pull_secret: str | None
    command: tuple[str, ...]
    arguments: tuple[str, ...]


MODEL = StackBlock


def read(data: Any, reading: Reading, path: Path = ()) -> ContainerSpec | None:
    """Canonical ContainerSpec of the stackSpec at `path`, or None with every fault in `reading`."""
    before = len(reading.problems)
    block = read_model(StackBlock, data, reading, path, go_on=True)
    if block is None:
        return None
    image = _image(block.image, (*path, "image"), reading)
    if block.image_pull_secret is not None and not names.matches(block.image_pull_secret, names.STD):
        rule = names.rule_text("imagePullSecret", block.image_pull_secret, names.STD)
        reading.error((*path, "imagePullSecret"), rule, code="manifest.name")
    for key, words in (("command", block.command), ("arguments", block.arguments)):
        for position, word in enumerate(words):
            if "\0" in word:
                reading.error((*path, key, position), "an argument cannot hold a zero character")
    if len(block.command) == 1 and re.search(r"\s", block.command[0].strip()):
        parts = ", ".join(block.command[0].split())
        text = f"`{block.command[0]}` is one word: no shell takes it apart"
        reading.warn((*path, "command"), text, hint=f"write [{parts}]")
    if image is None or len(reading.problems) > before:
        return None
    return ContainerSpec(image, block.image_pull_secret, block.command, block.arguments)


def bind(spec: ContainerSpec, use: Use, reading: Reading) -> tuple[Reference, ...]:
    """The secret for the registry, which is one of the same workspace."""
    if spec.pull_secret is None or use.workspace is None:
        return ()
    target = ResourceKey("secret", spec.pull_secret, use.workspace)
    return (Reference(target, (*use.stack_path, "imagePullSecret")),)


def _image(text: str, path: Path, reading: Reading) -> str | None:
    match = _IMAGE.fullmatch(text.strip())
    if match is None:
        hint = "write registry.example/shop/loader:1.4"
        if "://" in text:
            hint += ", without a scheme"
        elif text != text.lower() and _IMAGE.fullmatch(text.strip().lower()):
            hint = f"names of images are in lower case: {text.strip().lower()}"
        reading.error(path, f"`{text[:120]}` is no image", hint=hint)
        return None
    return text.strip() if match["tag"] or match["digest"] else f"{text.strip()}:latest"
