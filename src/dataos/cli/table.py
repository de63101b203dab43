"""All commands: words, where they live, their flags.

Read before Typer is imported, so that only one command's module is loaded, and so that flags may stand before the
command's words (ch01 8.1). A test keeps it equal to the Typer program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_TARGET = {"-t": True, "--type": True, "-n": True, "--name": True, "-w": True, "--workspace": True}
_IDENTITY = {**_TARGET, "-i": True, "--identifier": True, "--id": True, "-v": True, "--version": True}
_FILES = {"-f": True, "--manifestFile": True, "-R": False, "--recursive": False, "--disable-interpolation": False}
_SERVER = {"--url": True, "--context": True}
_REFRESH = {"-r": False, "--refresh": False, "--refreshRate": True}
_OUTPUT = {"-O": True, "--output": True}
_OF_TYPE = {"-t": True, "--type": True, "-v": True, "--version": True}
_NAMED = {"-n": True, "--name": True}
_ID = {"-i": True, "--id": True}
_LAYER = {"-l": True, "--layer": True}
_TAGS = {"-t": True, "--tags": True}
_ADDRESS = {"-a": True, "--address": True}
_DATATYPE = {"-t": True, "--datatype": True, "--type": True}
_DECIMAL = {"-p": True, "--precision": True, "-s": True, "--scale": True}
_PARTITIONS = {"-p": True, "--partitions": True, "-n": True, "--count": True}
_PROPERTIES = {"-p": True, "--properties": True}
_BRANCH = {"-b": True, "--branch": True}
_TAG = {"-b": True, "--tag": True}
_CUT = {"--older-than": True, "--dry-run": False}
_BRANCHES = {"--source": True, "--target": True}
_GOVERNING = "dataos.cli.governing"
_QUERIES = "dataos.cli.queries"
_COMMON = {"--help": False, "-h": False, "--no-icons": False}


@dataclass(frozen=True)
class Command:
    """One command. `flags`: spelling -> takes a value; `positionals`: how many other words it may take (-1: any)."""

    words: tuple[str, ...]
    module: str
    flags: dict[str, bool]
    summary: str
    positionals: int = 0
    aliases: tuple[tuple[str, ...], ...] = ()


_DATASET_VERBS: tuple[tuple[str, dict[str, bool], str], ...] = (
    ("create", {"-f": True, "--manifestFile": True}, "Make a dataset of its manifest."),
    ("list", _OUTPUT, "List the datasets of a collection."),
    ("get", _OUTPUT, "Show a dataset as `create` takes it."),
    ("drop", {"-p": True, "--purge": True}, "Forget a dataset; --purge true deletes its files."),
    ("register", {"-m": True, "--metadataLocation": True}, "Take up a table by its metadata file."),
    ("properties", _OUTPUT, "Show a dataset's properties."),
    ("add-properties", _PROPERTIES, "Set properties of a dataset."),
    ("remove-properties", _PROPERTIES, "Unset properties of a dataset."),
    (
        "add-field",
        {**_NAMED, **_DATATYPE, **_DECIMAL, "-k": True, "--keyType": True, "-v": True, "--valueType": True},
        "Add a column.",
    ),
    ("drop-field", _NAMED, "Drop a column."),
    ("rename-field", {**_NAMED, "-m": True, "--newName": True, "--new-name": True}, "Rename a column."),
    ("update-field", {**_NAMED, **_DATATYPE, **_DECIMAL}, "Widen a column's type."),
    ("set-nullable", {**_NAMED, "-b": True, "--nullable": True}, "Let a column hold nulls, or forbid it."),
    ("update-partition", _PARTITIONS, "Partition what is written from now on in another way."),
    ("snapshots", {**_OUTPUT, **_BRANCH}, "List the snapshots of a dataset."),
    ("set-snapshot", _ID, "Make any snapshot the current one."),
    ("rollback", _ID, "Go back to an earlier snapshot."),
    ("cherrypick-snapshot", {"--sid": True, "-sid": True}, "Apply one snapshot's changes on main."),
    ("metadata", _OUTPUT, "List the metadata files of a dataset."),
    ("set-metadata", {"-v": True, "--version": True}, "Nothing to do: the catalog is always current."),
    ("list-branch", _OUTPUT, "List the branches of a dataset."),
    ("create-branch", {**_BRANCH, **_ID}, "Make a branch."),
    ("rename-branch", {**_BRANCH, **_NAMED}, "Rename a branch."),
    ("delete-branch", _BRANCH, "Delete a branch."),
    ("replace-branch", _BRANCHES, "Let --source stand where --target stands."),
    ("fastforward-branch", _BRANCHES, "Advance --target to where --source stands."),
    ("list-tag", _OUTPUT, "List the tags of a dataset."),
    ("create-tag", {**_TAG, **_ID}, "Name a snapshot."),
    ("rename-tag", {**_TAG, **_NAMED}, "Rename a tag."),
    ("delete-tag", _TAG, "Delete a tag."),
    ("expire", {**_OUTPUT, **_CUT, **_ID, "--retain-last": True}, "Expire old snapshots, with their files."),
    (
        "compact",
        {
            **_OUTPUT,
            "--strategy": True,
            "--sort-order": True,
            "--where": True,
            "--target-file-size-bytes": True,
            "--rewrite-all": False,
            "--partial-progress": False,
            "--dry-run": False,
        },
        "Rewrite data files: put small ones together, sort, apply deletes.",
    ),
    ("rewrite-manifests", {**_OUTPUT, "--dry-run": False}, "Put manifests together."),
    ("clean-orphans", {**_OUTPUT, **_CUT, "--location": True}, "Delete files that nothing names."),
)


_METADATA_VERBS: tuple[tuple[str, dict[str, bool], str], ...] = (
    (
        "catalog",
        {
            **_OUTPUT,
            "-q": True,
            "--query": True,
            "-d": True,
            "--depot": True,
            "-t": True,
            "--tag": True,
            "--owner": True,
            "--limit": True,
        },
        "List the datasets that jobs read and write.",
    ),
    ("describe", {**_ADDRESS, **_OUTPUT}, "Show what is known of a dataset: columns, texts, tags."),
    (
        "profile",
        {**_ADDRESS, **_OUTPUT, "-c": True, "--column": True, "--days": True},
        "Show the newest profile of a dataset.",
    ),
    ("quality", {**_ADDRESS, **_OUTPUT, "--status": True}, "Show the tests of a dataset with their newest results."),
    (
        "label",
        {**_ADDRESS, "-c": True, "--column": True, "--accept": True, "--discard": True},
        "Accept or discard a tag that a profile suggests.",
    ),
)


_PRODUCT = {"-i": True, "--productId": True, **_OF_TYPE, **_NAMED, "--name": True}
_MANIFESTS = {**_FILES, "-w": True, "--workspace": True}
_READER = {**_SERVER, **_OUTPUT}

_PRODUCT_VERBS: tuple[tuple[str, dict[str, bool], str, int], ...] = (
    (
        "apply",
        {**_MANIFESTS, **_READER, "-l": False, "--lint": False, "-d": False, "--de-ref": False, "--strict": False},
        "Apply data products.",
        -1,
    ),
    ("plan", {**_MANIFESTS, **_READER}, "Show what applying products would change.", -1),
    ("validate", {**_MANIFESTS, **_OUTPUT, "--strict": False}, "Check product manifests offline.", -1),
    (
        "get",
        {
            **_PRODUCT,
            **_READER,
            **_REFRESH,
            "-a": False,
            "--all": False,
            "-o": True,
            "--owner": True,
            "-f": True,
            "--manifestFile": True,
            "-d": False,
            "--details": False,
            "--tags": False,
            "--as": True,
        },
        "List data products, or show one.",
        0,
    ),
    (
        "delete",
        {**_PRODUCT, **_SERVER, "-f": True, "--manifestFile": True, "--force": False, "--cascade": False},
        "Delete a data product.",
        0,
    ),
    ("status", {**_PRODUCT, **_READER}, "Show how a product stands: references, freshness, service levels.", 1),
    ("graph", {**_PRODUCT, **_READER}, "Show what a product reads and makes, and who reads it.", 1),
    ("open", {**_PRODUCT, **_SERVER}, "Print the address of a product's page.", 1),
    (
        "init",
        {**_SERVER, "--kind": True, "--from-table": True, "--from-odcs": True, "-o": True, "--out": True},
        "Write the files of a new product.",
        1,
    ),
    ("export", {**_PRODUCT, **_READER, "--odcs": False}, "Print a product as a manifest, or as a data contract.", 1),
    (
        "deprecate",
        {**_PRODUCT, **_READER, "--replaced-by": True, "--retire-on": True},
        "Announce a product's end to who uses it.",
        1,
    ),
)


COMMANDS: tuple[Command, ...] = (
    *(
        Command(("product", verb), "dataos.cli.products", flags, summary, positionals)
        for verb, flags, summary, positionals in _PRODUCT_VERBS
    ),
    Command(
        ("up",),
        "dataos.cli.server",
        {"--allow": True, "--port": True, "--host": True, "--foreground": False, "--force": False, "--timeout": True},
        "Start the server on this machine and log in to it.",
    ),
    Command(("down",), "dataos.cli.server", {"--timeout": True}, "Stop the server of this machine."),
    Command(
        ("admin", "disable-policy"),
        "dataos.cli.server",
        _NAMED,
        "Take a policy out of force that locks everybody out (on the machine itself).",
    ),
    Command(
        ("admin", "reset-token"), "dataos.cli.server", {}, "Issue a new administrator token (on the machine itself)."
    ),
    Command(("admin", "rotate-key"), "dataos.cli.care", {**_OUTPUT}, "Replace the master key (on the machine itself)."),
    Command(
        ("doctor",),
        "dataos.cli.care",
        {**_SERVER, **_OUTPUT},
        "Examine the server and its home; says what mends.",
    ),
    Command(
        ("backup",),
        "dataos.cli.care",
        {
            **_OUTPUT,
            "-f": True,
            "--file": True,
            "--passphrase-file": True,
            "--without-keys": False,
            "--without-data": False,
            "--with-logs": False,
        },
        "Back up this machine's home into one file.",
    ),
    Command(
        ("restore",),
        "dataos.cli.care",
        {**_OUTPUT, "--passphrase-file": True, "--without-keys": False},
        "Make a new home from a backup.",
        positionals=1,
    ),
    Command(
        ("home", "relocate"),
        "dataos.cli.care",
        {**_OUTPUT},
        "Move this machine's home, with all paths in its tables.",
        positionals=1,
    ),
    Command(
        ("health",),
        "dataos.cli.server",
        {**_SERVER, **_OUTPUT},
        "Is the server well? Names each part; not 0 if one is down.",
    ),
    Command(
        ("version",),
        "dataos.cli.server",
        {**_SERVER, **_OUTPUT},
        "Version of client and server.",
        aliases=(("versions",),),
    ),
    Command(
        ("validate",),
        "dataos.cli.validating",
        {**_FILES, **_OUTPUT, "-w": True, "--workspace": True, "--strict": False},
        "Check manifests offline: files and folders.",
        positionals=-1,
    ),
    Command(
        ("plan",),
        "dataos.cli.planning",
        {**_FILES, **_OUTPUT, **_SERVER, "-w": True, "--workspace": True, "-o": True, "--out": True},
        "Show what apply would do.",
        positionals=-1,
    ),
    Command(
        ("apply",),
        "dataos.cli.applying",
        {
            **_FILES,
            **_OUTPUT,
            **_SERVER,
            "-w": True,
            "--workspace": True,
            "-l": False,
            "--lint": False,
            "-r": False,
            "--re-run": False,
            "-d": False,
            "--de-ref": False,
            "--dry-run": False,
            "--atomic": False,
            "--expect-generation": True,
            "--idempotency-key": True,
            "--wait": False,
            "--timeout": True,
            "--strict": False,
            "--plan": True,
        },
        "Apply manifests: create or update Resources.",
        positionals=-1,
    ),
    Command(
        ("resource", "create"),
        "dataos.cli.applying",
        {**_FILES, **_OUTPUT, **_SERVER, "-w": True, "--workspace": True},
        "Create Resources; one that exists already is an error.",
        positionals=-1,
    ),
    Command(
        ("update",),
        "dataos.cli.applying",
        {**_FILES, **_OUTPUT, **_SERVER, "-w": True, "--workspace": True, "--expect-generation": True},
        "Update Resources; one that does not exist is an error.",
        positionals=-1,
    ),
    Command(
        ("get", "runtime"),
        "dataos.cli.runtime",
        {
            **_IDENTITY,
            **_OUTPUT,
            **_SERVER,
            **_REFRESH,
            "-d": False,
            "--details": False,
            "--node": True,
            "-y": False,
            "--yaml": False,
            "--run": True,
        },
        "Show how a runnable runs: jobs, progress, nodes.",
        aliases=(("runtime", "get"), ("runtime",), ("resource", "runtime", "get"), ("resource", "get", "runtime")),
    ),
    Command(
        ("get", "runs"),
        "dataos.cli.runtime",
        {**_IDENTITY, **_OUTPUT, **_SERVER, "--limit": True},
        "List the runs of a Workflow, newest first.",
        aliases=(("runtime", "runs"), ("resource", "get", "runs"), ("resource", "runtime", "runs")),
    ),
    *(
        Command(
            ("runtime", verb),
            "dataos.cli.runtime",
            {**_IDENTITY, **_FILES, **_SERVER, **more},
            summary,
            aliases=(("resource", "runtime", verb),),
        )
        for verb, summary, more in (
            ("pause", "Hold a Workflow: no ticks, and no job that has not begun.", {}),
            ("resume", "Let a paused Workflow go on.", {}),
            ("stop", "End the runs of a Workflow that go on; its schedule stays.", {}),
            ("re-run", "Run a Workflow once more.", {"--from-failed": False}),
            ("run", "Run a Workflow now, beside its schedule.", {"--from-failed": False}),
        )
    ),
    Command(
        ("runtime", "state"),
        "dataos.cli.runtime",
        {**_IDENTITY, **_OUTPUT, **_SERVER, "--job": True, "--input": True, "--reset": False, "--set": True},
        "Show, set or reset what jobs remember between runs.",
        aliases=(("resource", "runtime", "state"),),
    ),
    Command(
        ("resource", "run"),
        "dataos.cli.running",
        {
            "-c": True,
            "--configFile": True,
            **_FILES,
            **_SERVER,
            "-w": True,
            "--workspace": True,
            "--run-start-timeout-duration": True,
            "--run-timeout-duration": True,
            "--run-string": True,
            "--success-strings": True,
            "--failure-strings": True,
            "--stream-logs": False,
            "--do-not-delete-on-failure": False,
            "--delete-on-failure": False,
            "--do-not-delete-on-success": False,
        },
        "Create, wait for the end of the run, delete.",
    ),
    Command(
        ("get",),
        "dataos.cli.resources",
        {
            **_IDENTITY,
            **_OUTPUT,
            **_SERVER,
            **_REFRESH,
            "--unSanitize": False,
            "-a": False,
            "--all": False,
            "-d": False,
            "--details": False,
            "-o": True,
            "--owner": True,
            "--tags": False,
        },
        "List Resources, or show one.",
    ),
    Command(
        ("log",),
        "dataos.cli.resources",
        {
            **_IDENTITY,
            **_OUTPUT,
            **_SERVER,
            "-f": False,
            "--follow": False,
            "--node": True,
            "-l": True,
            "--tailLines": True,
            "-c": True,
            "--container": True,
            "--run": True,
        },
        "Print the logs of a runnable.",
        aliases=(("logs",),),
    ),
    Command(
        ("delete",),
        "dataos.cli.resources",
        {**_IDENTITY, **_FILES, **_SERVER, "--force": False},
        "Delete Resources.",
    ),
    Command(
        ("history",),
        "dataos.cli.history",
        {**_IDENTITY, **_OUTPUT, **_SERVER, "--generation": True},
        "Show the generations of a Resource.",
    ),
    Command(
        ("rollback",),
        "dataos.cli.history",
        {**_IDENTITY, **_OUTPUT, **_SERVER, "--to-generation": True, "--expect-generation": True},
        "Go back to an old generation, or bring a deleted Resource back.",
    ),
    Command(
        ("events",),
        "dataos.cli.history",
        {**_TARGET, **_OUTPUT, **_SERVER, "-f": False, "--follow": False, "--limit": True, "--kind": True},
        "Show what happened; --follow goes on.",
    ),
    Command(
        ("workspace", "create"),
        "dataos.cli.workspaces",
        {
            **_NAMED,
            **_SERVER,
            **_LAYER,
            "-d": True,
            "--description": True,
            "--labels": True,
            "--tags": True,
            "-v": True,
            "--version": True,
        },
        "Make a workspace.",
    ),
    Command(("workspace", "get"), "dataos.cli.workspaces", {**_LAYER, **_OUTPUT, **_SERVER}, "List workspaces."),
    Command(
        ("workspace", "delete"),
        "dataos.cli.workspaces",
        {**_NAMED, **_SERVER, "--force": False},
        "Remove a workspace.",
    ),
    Command(
        ("maintenance", "collect-garbage"),
        "dataos.cli.workspaces",
        {**_LAYER, **_OUTPUT, **_SERVER, "-d": True, "--duration": True, "-k": True, "--kubeconfig": True},
        "Delete one-shot workflows that ended long ago.",
    ),
    Command(
        ("user", "get"),
        "dataos.cli.users",
        {**_ID, **_OUTPUT, **_SERVER, "-a": False, "--all": False},
        "Show yourself, one user or all.",
    ),
    Command(
        ("user", "create"),
        "dataos.cli.users",
        {
            **_NAMED,
            **_OUTPUT,
            **_SERVER,
            "-t": True,
            "--type": True,
            "-u": True,
            "--user_id": True,
            "-e": True,
            "--email": True,
            "--tags": True,
            "--apikeyName": True,
            "-d": True,
            "--duration": True,
        },
        "Make a user.",
    ),
    Command(("user", "delete"), "dataos.cli.users", {**_ID, **_SERVER}, "Remove a user."),
    Command(("user", "tag", "add"), "dataos.cli.users", {**_ID, **_OUTPUT, **_SERVER, **_TAGS}, "Give a user tags."),
    Command(
        ("user", "tag", "delete"), "dataos.cli.users", {**_ID, **_OUTPUT, **_SERVER, **_TAGS}, "Take tags from a user."
    ),
    Command(
        ("user", "changes", "get"), "dataos.cli.users", {**_ID, **_OUTPUT, **_SERVER}, "Show what happened to a user."
    ),
    Command(
        ("user", "apikey", "create"),
        "dataos.cli.users",
        {**_ID, **_NAMED, **_OUTPUT, **_SERVER, "-d": True, "--duration": True},
        "Make an API key; it is shown once.",
    ),
    Command(("user", "apikey", "get"), "dataos.cli.users", {**_ID, **_NAMED, **_OUTPUT, **_SERVER}, "List API keys."),
    Command(("user", "apikey", "delete"), "dataos.cli.users", {**_NAMED, **_SERVER}, "End an API key."),
    Command(("user", "passwd"), "dataos.cli.accounts", {**_ID, **_SERVER}, "Set a password."),
    Command(
        ("user", "invite"),
        "dataos.cli.accounts",
        {**_ID, **_OUTPUT, **_SERVER},
        "Make a link by which a person sets a password.",
    ),
    Command(("user", "disable"), "dataos.cli.accounts", {**_ID, **_SERVER}, "Refuse a user from now on."),
    Command(("user", "enable"), "dataos.cli.accounts", {**_ID, **_SERVER}, "Let a disabled user act again."),
    Command(
        ("user", "link"),
        "dataos.cli.accounts",
        {**_ID, **_SERVER, "--subject": True, "--none": False},
        "Say which person at the login provider a user is.",
    ),
    Command(
        ("user", "property", "set"),
        "dataos.cli.accounts",
        {**_ID, **_OUTPUT, **_SERVER, **_PROPERTIES},
        "Set properties of a user.",
    ),
    Command(
        ("user", "property", "remove"),
        "dataos.cli.accounts",
        {**_ID, **_OUTPUT, **_SERVER, **_PROPERTIES},
        "Take properties of a user away.",
    ),
    Command(("tag", "get"), _GOVERNING, {**_OUTPUT, **_SERVER}, "Show tags of a dataset and its columns.", 1),
    Command(("tag", "add"), _GOVERNING, {**_OUTPUT, **_SERVER, **_TAGS}, "Give a dataset or column tags.", 1),
    Command(("tag", "remove"), _GOVERNING, {**_OUTPUT, **_SERVER, **_TAGS}, "Take tags off.", 1),
    Command(("grant", "get"), _GOVERNING, {**_OUTPUT, **_SERVER, "--state": True}, "List grants and requests."),
    Command(
        ("grant", "request"),
        _GOVERNING,
        {
            **_OUTPUT,
            **_SERVER,
            "-u": True,
            "--use-case": True,
            "-s": True,
            "--subjects": True,
            "--values": True,
            "--note": True,
            "--expires": True,
        },
        "Ask for a use case.",
    ),
    Command(
        ("grant", "approve"),
        _GOVERNING,
        {**_ID, **_OUTPUT, **_SERVER, "--reason": True, "--expires": True},
        "Put a request in force.",
    ),
    Command(("grant", "reject"), _GOVERNING, {**_ID, **_OUTPUT, **_SERVER, "--reason": True}, "Refuse a request."),
    Command(("grant", "delete"), _GOVERNING, {**_ID, **_SERVER}, "End a grant."),
    Command(
        ("governance", "get"),
        _GOVERNING,
        {**_ID, **_OUTPUT, **_SERVER},
        "Show use cases, providers, tag-namespaces or roles.",
        1,
    ),
    Command(
        ("governance", "create"),
        _GOVERNING,
        {**_SERVER, "-f": True, "--manifestFile": True},
        "Make a use case, provider, tag-namespace or role.",
        1,
    ),
    Command(("governance", "delete"), _GOVERNING, {**_ID, **_SERVER, "--force": False}, "Remove one of these.", 1),
    Command(
        ("policy", "explain"),
        _GOVERNING,
        {**_OUTPUT, **_SERVER, "--user": True, "--predicate": True, "--object": True},
        "Say why somebody may do something, or not.",
    ),
    Command(
        ("policy", "simulate"),
        _GOVERNING,
        {**_OUTPUT, **_SERVER, "-f": True, "--manifestFile": True, "--delete": True},
        "Say who would gain and lose what.",
    ),
    Command(
        ("policy", "coverage"),
        _GOVERNING,
        {**_OUTPUT, **_SERVER, "--dataset": True, "--column": True},
        "Show tagged columns that somebody sees in clear.",
    ),
    Command(
        ("policy", "test"),
        _GOVERNING,
        {**_OUTPUT, **_SERVER, "-f": True, "--manifestFile": True},
        "Check expectations of a YAML file.",
    ),
    Command(
        ("audit", "get"),
        _GOVERNING,
        {
            **_OUTPUT,
            **_SERVER,
            "--actor": True,
            "--action": True,
            "--denied": False,
            "--after": True,
            "--limit": True,
        },
        "Show who asked for what, and how it was decided.",
    ),
    Command(("audit", "verify"), _GOVERNING, {**_OUTPUT, **_SERVER}, "Is the audit as it was written?"),
    Command(("audit", "export"), _GOVERNING, {**_OUTPUT, **_SERVER, "--after": True}, "Print the audit as JSON lines."),
    Command(
        ("queries", "get"),
        _QUERIES,
        {**_ID, **_OUTPUT, **_SERVER, "-a": False, "--all": False, "--limit": True},
        "List statements, the newest first.",
    ),
    Command(
        ("queries", "result"),
        _QUERIES,
        {**_ID, **_OUTPUT, **_SERVER, "-o": True, "--out": True, "--no-wait": False},
        "Fetch the answer of a detached statement.",
    ),
    Command(("queries", "cancel"), _QUERIES, {**_ID, **_OUTPUT, **_SERVER}, "Stop a statement, or forget its answer."),
    Command(("role", "get"), "dataos.cli.users", {**_OUTPUT, **_SERVER}, "List roles."),
    Command(
        ("role", "changes", "get"),
        "dataos.cli.users",
        {**_ID, **_OUTPUT, **_SERVER},
        "Show who was given a role, or lost it.",
    ),
    Command(("context", "list"), "dataos.cli.contexts", {**_OUTPUT}, "List client contexts."),
    Command(("context", "select"), "dataos.cli.contexts", {**_NAMED}, "Make a context the active one."),
    Command(("context", "delete"), "dataos.cli.contexts", {**_NAMED}, "Forget a context."),
    Command(
        ("init",),
        "dataos.cli.contexts",
        {**_OUTPUT, "-n": False, "--oldInitFlow": False},
        "Name an installation; `login` comes next.",
    ),
    Command(
        ("login",),
        "dataos.cli.login",
        {
            **_NAMED,
            "--url": True,
            "--user": True,
            "--oidc": False,
            "--device": False,
            "--invitation": False,
            "--link": False,
            "--token-stdin": False,
        },
        "Log in to a server: token, password, or login provider.",
    ),
    Command(("logout",), "dataos.cli.login", {**_SERVER, "-a": False, "--all": False}, "End your session."),
    Command(("depot", "types"), "dataos.cli.depots", {**_OUTPUT, **_SERVER}, "What each type of Depots can do."),
    Command(
        ("depot", "test"),
        "dataos.cli.depots",
        {**_OUTPUT, **_SERVER, **_NAMED},
        "Connect to a Depot now: says what was proved.",
        positionals=1,
    ),
    Command(
        ("depot", "ls"),
        "dataos.cli.depots",
        {**_OUTPUT, **_SERVER, "-a": True, "--address": True, "--limit": True},
        "List what is in a Depot.",
        positionals=1,
    ),
    Command(
        ("depot", "sample"),
        "dataos.cli.depots",
        {**_OUTPUT, **_SERVER, "-a": True, "--address": True, "--limit": True},
        "Show the first rows of a dataset.",
        positionals=1,
    ),
    Command(
        ("query",),
        "dataos.cli.query",
        {
            **_OUTPUT,
            **_SERVER,
            "-f": True,
            "--file": True,
            "-o": True,
            "--out": True,
            "--limit": True,
            "--timeout": True,
            "--catalog": True,
            "--schema": True,
            "--detach": False,
        },
        "Run a SQL statement (Trino dialect).",
        positionals=1,
    ),
    Command(
        ("query-gateway", "connect"),
        "dataos.cli.query_shell",
        {
            **_SERVER,
            "-c": True,
            "--catalog": True,
            "--cluster": True,
            "-d": True,
            "--dataplane": True,
            "-p": True,
            "--port": True,
        },
        "Ask SQL statements one after the other.",
    ),
    Command(
        ("jq",),
        "dataos.cli.develop",
        {**_FILES, **_OUTPUT, "-w": True, "--workspace": True, "--filter": True, "-r": False, "--raw": False},
        "Run a jq program over manifests.",
        positionals=-1,
    ),
    Command(
        ("develop", "generate"),
        "dataos.cli.develop",
        {**_NAMED, **_OF_TYPE},
        "Print a sample manifest of a type.",
    ),
    Command(
        ("develop", "types"),
        "dataos.cli.develop",
        {**_OUTPUT, "-t": True, "--type": True},
        "List the types of Resources.",
    ),
    Command(
        ("develop", "start"),
        "dataos.cli.local_runs",
        {
            **_FILES,
            **_SERVER,
            "-s": True,
            "--stack": True,
            "-i": True,
            "--image": True,
            "-d": True,
            "--dataDir": True,
            "-P": True,
            "--port": True,
            "--limit": True,
            "--job": True,
            "--explain": False,
            "--shell": False,
            "--no-shell": False,
        },
        "Run a Workflow's Flare jobs on this machine.",
    ),
    Command(
        ("develop", "stack", "versions"),
        "dataos.cli.develop",
        {**_OUTPUT},
        "List the stacks.",
        aliases=(("develop", "get-stack-version"),),
    ),
    Command(
        ("develop", "schema", "generate"),
        "dataos.cli.develop",
        {
            **_OF_TYPE,
            "--depot-type": True,
            "--stack": True,
            "--strict": False,
            "-o": True,
            "--out": True,
            "--all": False,
        },
        "Print a JSON Schema for editors.",
        aliases=(("develop", "schema", "get", "resource"), ("develop", "get", "resource")),
    ),
    Command(
        ("develop", "schema", "get", "api"),
        "dataos.cli.develop",
        {**_OUTPUT, **_SERVER, **_OF_TYPE},
        "Print the API of Resources as OpenAPI.",
    ),
    *(
        Command(
            ("dataset", verb),
            "dataos.cli.datasets",
            {**_ADDRESS, **_SERVER, **flags},
            summary,
        )
        for verb, flags, summary in _DATASET_VERBS
    ),
    *(
        Command(("dataset", verb), "dataos.cli.metadata", {**_SERVER, **flags}, summary)
        for verb, flags, summary in _METADATA_VERBS
    ),
    Command(
        ("lineage",),
        "dataos.cli.metadata",
        {
            **_ADDRESS,
            **_SERVER,
            **_OUTPUT,
            "-c": True,
            "--column": True,
            "--up": False,
            "--down": False,
            "--depth": True,
        },
        "Show where a dataset comes from and what is made of it.",
        1,
    ),
    Command(
        ("dataset",),
        "dataos.cli.datasets",
        {**_ADDRESS, **_SERVER, **_PARTITIONS},
        "As `dataset update-partition`.",
    ),
    Command(("view",), "dataos.cli.pages", {**_SERVER, "-a": True, "--app": True}, "Open an app in the browser."),
    Command(("doc",), "dataos.cli.pages", {"-o": True, "--out": True}, "Write a page for each command."),
    Command(("datanet",), "dataos.cli.pages", {}, "Has been removed.", -1),
    Command(("completion",), "dataos.cli.completion", {}, "Print the completion script of a shell.", 1),
    Command(("demo",), "dataos.cli.demo", {"--stop": False}, "Build a first data product on real data.", 1),
)


def find(argv: Sequence[str]) -> tuple[Command, list[str]] | None:
    """The command that argv names, wherever its words stand, and argv with those words first. None if none fits."""
    candidates = [(words, command) for command in COMMANDS for words in spellings(command)]
    candidates.sort(key=lambda c: -len(c[0]))
    for words, command in candidates:
        rest = _strip(argv, words, command)
        if rest is not None:
            return command, [*command.words, *rest]
    return None


_OF_RESOURCES = ("validate", "plan", "apply", "update", "get", "log", "delete")
"""Commands that may also stand below `resource`."""


def spellings(command: Command) -> list[tuple[str, ...]]:
    """All words by which a command is called."""
    own = [command.words, *command.aliases]
    if command.words[0] in _OF_RESOURCES:
        own += [("resource", *words) for words in own if words[0] != "resource"]
    plural = [(words[0] + "s", *words[1:]) for words in own if words[0] in ("resource", "user", "role")]
    return [*own, *plural]


def _strip(argv: Sequence[str], words: tuple[str, ...], command: Command) -> list[str] | None:
    """argv without the command's words if they are its first plain words, in order; flags' values are no words."""
    wanted = list(words)
    rest: list[str] = []
    plain = 0
    flags = {**command.flags, **_COMMON}
    remaining = iter(argv)
    for word in remaining:
        if word == "--":
            rest += [word, *remaining]
            break
        if word.startswith("-") and word != "-":
            rest.append(word)
            if flags.get(word, False):
                value = next(remaining, None)
                # `get -i runtime " x | v1 | ..."`: a command word right after a flag is still a command word
                if value is not None and wanted and value == wanted[0]:
                    wanted.pop(0)
                    value = next(remaining, None)
                if value is not None:
                    rest.append(value)
        elif wanted and word == wanted[0]:
            wanted.pop(0)
        elif wanted and not rest:
            return None
        else:
            plain += 1
            rest.append(word)
    if wanted or (command.positionals >= 0 and plain > command.positionals):
        return None
    return rest
