"""What the specs of several stacks share: what surrounds a stackSpec, addresses, code from a repository, schedules.

A stack's `read` sees its stackSpec alone, so that it can be checked everywhere. What hangs on the rest of the workload
(its kind, ports, variables, secrets) is checked by the stack's `bind`, which gets a `Use`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from dataos.core import names
from dataos.core.addresses import Udl
from dataos.manifest.blocks import SecretUse
from dataos.manifest.documents import MASK
from dataos.manifest.specs import Path, Reading, Spec, Text, is_credential, spelled


@dataclass(frozen=True)
class Exposure:
    """How others reach a workload. `path`: below which it is public, if it is; `strips`: it does not see that path."""

    port: int | None = None
    ports: tuple[int, ...] = ()  # the further ones
    path: str | None = None
    strips: bool = False


@dataclass(frozen=True)
class Use:
    """Where a stack is used: the block around its stackSpec."""

    host: str  # workflow, service or worker
    path: Path  # of the block
    workspace: str | None
    flavour: str | None = None
    version: str | None = None
    envs: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: tuple[SecretUse, ...] = ()
    configs: Mapping[str, str] = field(default_factory=dict[str, str])
    replicas: int = 1
    exposure: Exposure = Exposure()
    metric_port: int | None = None
    section: str = "stackSpec"  # the key of the stackSpec, as written

    @property
    def stack_path(self) -> Path:
        """Of the stackSpec."""
        return (*self.path, self.section)

    def may_get(self, variable: str) -> bool:
        """Whether the variable is set, or may come out of a secret whose keys are not known here."""
        if variable in self.envs:
            return True
        for use in self.secrets:
            named = (use.key, *use.keys) if use.key or use.keys else None
            if use.consumption_type == "envVars" and (use.all_keys or named is None or variable in named):
                return True
        return False


# --- addresses --------------------------------------------------------------------------------------------------------


def read_address(text: str, path: Path, reading: Reading, *, writes: bool = False) -> Udl | None:
    """The address of one dataset, or None after a problem. `writes`: it is opened for writing, and says so if need be.

    Reading through an address with `?acl=rw` is reading.
    """
    udl = reading.attempt(path, lambda: Udl.parse(text))
    if udl is None:
        return None
    dataset = (udl.dataset or "").strip("/")
    if not udl.collection or not dataset:
        hint = "name the dataset: dataos://[depot]:[collection]/[dataset]"
        reading.error(path, f"`{text}` names no dataset", code="manifest.address", hint=hint)
        return None
    return Udl(udl.depot, udl.collection, dataset, "rw" if writes else "r", udl.options)


def read_depot(text: str, path: Path, reading: Reading) -> Udl | None:
    """A depot by name (`retaildb`) or address (`dataos://retaildb`, with or without more), or None after a problem."""
    bare = text.strip()
    if "://" in bare:
        return reading.attempt(path, lambda: Udl.parse(bare))
    if not names.matches(bare, names.FLAT):
        rule = names.rule_text("depot", bare[:80], names.FLAT)
        reading.error(path, rule, code="manifest.name", hint="write the depot's name, or dataos://[depot]")
        return None
    return Udl(bare)


# --- repositories -----------------------------------------------------------------------------------------------------

_SSH = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^\s:@]+")
_PLATFORM_FLAGS = ("--repo", "--root", "--one-time", "--link", "--dest")
_REFUSED_FLAGS = ("exechook", "webhook", "askpass", "git-config", "ssh-command")


class RepoBlock(Spec):
    """`repo` as most stacks take it: where the code is (ch03 8)."""

    url: Text
    """Address of the repository."""
    base_dir: Text
    """Folder of the code; it begins with the repository's own name."""
    sync_flags: tuple[Text, ...] = spelled("syncFlag", default=(), lone=True)
    """Flags of the checkout, for instance --ref=main."""
    secret_id: Text | None = None
    """Secret that opens the repository."""


def check_repository(url: str, flags: Iterable[str], path: Path, reading: Reading) -> None:
    """The address and the flags of a checkout. Credentials belong into a secret; the platform sets flags of its own."""
    where = (*path, "url")
    hint = "for instance https://git.example/retail/dashboards"
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        parts = urlsplit("")
    if parts.password is not None or ("@" in parts.netloc and parts.scheme in ("http", "https")):
        reading.error(where, "the address holds a user or password", hint="write credentials into a secret")
    elif not (_SSH.fullmatch(url.strip()) or (parts.scheme in ("http", "https", "ssh") and parts.netloc)):
        reading.error(where, f"`{url[:80]}` is no address of a repository", hint=hint)
    for position, flag in enumerate(flags):
        here = (*path, "syncFlags", position)
        name = flag.partition("=")[0].strip()
        if not re.fullmatch(r"--?[a-z][a-z0-9-]*", name):
            reading.error(here, "a flag begins with `--`", hint="for instance --ref=main")
        elif is_credential(name) or "password" in name:
            reading.error(here, f"`{name}` gives a credential", hint="write it into a secret and list that one")
        elif name in _PLATFORM_FLAGS:
            reading.error(here, f"`{name}` is set by the platform", hint="leave it out")
        elif any(word in name for word in _REFUSED_FLAGS):
            reading.error(here, f"`{name}` is not allowed: it runs something else", hint="allowed: --ref, --depth")


def check_folder(folder: str, path: Path, reading: Reading) -> None:
    """A folder inside a checkout."""
    if not folder.strip("/ ") or folder.startswith("/") or ".." in folder.split("/"):
        reading.error(path, f"`{folder}` is no folder of a repository", hint="write a relative path without `..`")


def check_repo(repo: RepoBlock, path: Path, reading: Reading) -> None:
    """Its parts. A `baseDir` begins with the name of the checkout (ch03 8): a notice if it does not."""
    before = len(reading.problems)
    check_repository(repo.url, repo.sync_flags, path, reading)
    check_folder(repo.base_dir, (*path, "baseDir"), reading)
    if len(reading.problems) > before:
        return
    checkout = repo.url.rstrip("/").removesuffix(".git").replace(":", "/").rsplit("/", 1)[-1]
    if repo.base_dir.strip("/").split("/")[0] != checkout:
        text = f"`baseDir` does not begin with `{checkout}`, the folder into which the repository is checked out"
        reading.warn((*path, "baseDir"), text, hint=f"write {checkout}/{repo.base_dir.strip('/')} if it lies in there")


# --- credentials ------------------------------------------------------------------------------------------------------


def is_kept(text: str) -> bool:
    """Whether a text stands for a secret value: sealed in the vault, as stored manifests have it, or masked."""
    return text.startswith("vault:") or text == MASK


def literal_credentials(data: Any, is_reference: re.Pattern[str], known: frozenset[str] = frozenset()) -> list[Path]:
    """Paths below `data`, as written, of credentials that stand there in clear: keys named like one (or `known`).

    `is_reference` finds what the stack's templates fill in later, for instance `${PASSWORD}`: that is no credential.
    What is sealed already is found wherever it stands.
    """

    def is_one(text: str, path: Path) -> bool:
        if is_kept(text):
            return True
        name = next((part.lower() for part in reversed(path) if isinstance(part, str)), "")
        return bool(text) and (is_credential(name) or name in known) and not is_reference.search(text)

    return [path for path, text in texts(data) if is_one(text, path)]


def texts(data: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text below `data` with its path."""
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict):
        for key, value in cast("dict[str, Any]", data).items():
            yield from texts(value, (*path, key))
    elif isinstance(data, list):
        for position, value in enumerate(cast("list[Any]", data)):
            yield from texts(value, (*path, position))


def warn_literals(data: Any, paths: Iterable[Path], path: Path, reading: Reading, hint: str) -> None:
    """One notice for each credential in clear at `paths` below `data`."""
    clear = {at for at, text in texts(data) if not is_kept(text)}
    for found in paths:
        if found in clear:
            reading.warn(
                (*path, *found), f"`{found[-1]}` stands in the manifest in clear: it is kept sealed", hint=hint
            )


# --- stacks without a description -------------------------------------------------------------------------------------

_TEMPLATES = re.compile(r"\$\{|\{\{")


@dataclass(frozen=True)
class Undescribed:
    """The stackSpec of a stack of which the name is known and no attribute: kept as written."""

    content: Mapping[str, Any]
    secret_paths: tuple[Path, ...]


def read_undescribed(name: str, data: Mapping[str, Any], reading: Reading, path: Path) -> Undescribed:
    """Any mapping; a notice that nothing in it was checked. Credentials in it are sealed."""
    if data:
        reading.warn(path, f"nothing is known about the attributes of stack {name}: they are kept as they are")
    secrets = tuple(literal_credentials(data, _TEMPLATES))
    warn_literals(data, secrets, path, reading, "write it into a secret and list that one below `dataosSecrets`")
    return Undescribed(data, secrets)
