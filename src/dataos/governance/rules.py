"""The built-in rule of this version, until policies replace it: operators may do everything; others what they own.

Refusals name the use case of the reference that allows the action (ch01 9), so that whoever administers the
installation knows what to grant later. A job's token never passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataos.core.errors import DataOSError, fail
from dataos.governance.principals import OPERATOR_TAG, Principal


@dataclass(frozen=True)
class UseCase:
    """A named permission of the reference."""

    id: str
    name: str


READ = UseCase("read-resources", "Read Resources")
MANAGE = UseCase("manage-resources", "Create and Update Resources in User Workspace")
DELETE = UseCase("delete-resources", "Delete Resources in User Workspace")
READ_LOG = UseCase("read-resource-logs", "Read Resource Logs in User Workspace")
UNSANITIZE = UseCase("un-sanitize-resource", "Un-sanitize Resource")
SYSTEM = UseCase("manage-system-resources", "Create, Update and Delete Resources of the System Layer")
USERS = UseCase("manage-users", "Manage Users")
TOKENS = UseCase("manage-user-tokens", "Manage User Tokens")
WORKSPACES = UseCase("manage-workspaces", "Manage Workspaces")
SECRETS = UseCase("read-secrets", "Read Secrets")
DATASETS = UseCase("write-depot-dataset", "Write Depot - Dataset")
DEPOTS = UseCase("manage-depots", "Manage All Depot")
METRICS = UseCase("read-metrics", "Read Metrics")
MAINTAIN = UseCase("manage-maintenance", "Maintain the Installation")


def require_user(principal: Principal, action: str) -> None:
    """A person or application, not a job. Raises `auth.forbidden`."""
    if principal.attempt is not None:
        raise fail("auth.forbidden", f"a job's token may not {action}", hint="use a user's token")


def require_operator(principal: Principal, action: str, use_case: UseCase | None = None) -> None:
    """Administration. Raises `auth.forbidden`."""
    require_user(principal, action)
    if not principal.is_operator:
        raise forbidden(principal, action, use_case)


def require_owner(principal: Principal, owner: str, action: str, use_case: UseCase) -> None:
    """The owner of a thing, or an operator. Raises `auth.forbidden`."""
    require_user(principal, action)
    if not owns(principal, owner):
        raise forbidden(principal, action, use_case)


def owns(principal: Principal, owner: str) -> bool:
    """True if the principal may act on what `owner` owns."""
    return principal.attempt is None and (principal.is_operator or principal.user_id == owner)


def allows(principal: Principal, predicate: str, paths: Sequence[str], tags: Sequence[str]) -> bool:
    """The built-in rule as a decision: operators everything; users may read what is said of Resources and people.

    In doubt no: a job's token, an unknown predicate, an object that names nothing.
    """
    if principal.attempt is not None:
        return False
    if principal.is_operator:
        return True
    known = [path for path in paths if path.lower().startswith(_OPEN_PATHS)]
    about = [tag for tag in tags if tag.lower().startswith(("dataos:type:resource", "dataos:type:workspace"))]
    whole = len(known) == len(paths) and (bool(known) or bool(about))
    return predicate.strip().lower() in ("read", "get") and whole


_OPEN_PATHS = ("/poros/api/v1/", "/collated/api/v1/reports/", "/heimdall/api/v1/users", "/api/v1/resources")


def forbidden(principal: Principal, action: str, use_case: UseCase | None = None) -> DataOSError:
    """The refusal, naming what is missing."""
    missing = f"missing use case: {use_case.name} (`{use_case.id}`); " if use_case else ""
    return fail(
        "auth.forbidden",
        f"Forbidden: user {principal.user_id} may not {action}",
        hint=f"{missing}an operator (tag {OPERATOR_TAG}) may, and owners for what is theirs",
    )
