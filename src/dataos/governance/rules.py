"""What doors and rooms ask before they do something for somebody: the decision point, and what never depends on it.

Refusals name the use case of the reference that allows the action (ch01 9), so that whoever administers the
installation knows what to grant. What somebody owns he may look at and remove; to store anything a policy or grant must
allow it. A job's token passes nowhere here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataos.core.errors import DataOSError, fail
from dataos.governance import objects
from dataos.governance.policies import AccessObject
from dataos.governance.principals import OPERATOR_TAG, Principal

_ANYTHING = AccessObject()


@dataclass(frozen=True)
class UseCase:
    """A named permission of the reference, and the decision that it stands for."""

    id: str
    name: str
    predicates: tuple[str, ...] = ()
    thing: AccessObject = _ANYTHING


READ = UseCase("read-all-resources-in-user-workspaces", "Read Resources", ("read", "read_in"))
MANAGE = UseCase(
    "manage-all-other-resources-in-user-layer",
    "Create and Update Resources in User Workspace",
    ("update", "update_in"),
)
DELETE = UseCase(
    "manage-all-other-resources-in-user-layer", "Delete Resources in User Workspace", ("delete", "delete_in")
)
READ_LOG = UseCase(
    "read-all-resources-in-user-workspaces", "Read Resource Logs in User Workspace", ("log", "update", "update_in")
)
UNSANITIZE = UseCase(
    "un-sanitize-resource", "Un-sanitize Resource", ("unsanitize",), AccessObject(("dataos:resource:**",))
)
USERS = UseCase("manage-users", "Manage Users", ("update",), objects.system("user"))
USER_TAGS = UseCase("manage-user-tags", "Manage User Tags", ("update",), objects.system("user:tag"))
TOKENS = UseCase("manage-user-tokens", "Manage User Tokens", ("update",), objects.system("user:token"))
READ_USERS = UseCase("read-users", "Read Users", ("read",), objects.system("user"))
GOVERNANCE = UseCase(
    "manage-governance-primitives", "Manage Governance Primitives", ("update",), objects.system("governance:policy")
)
READ_GOVERNANCE = UseCase(
    "read-governance-primitives", "Read Governance Primitives", ("read",), objects.system("governance:policy")
)
DATA_POLICIES = UseCase(
    "manage-datapolicy", "Manage Data Policy", ("update",), objects.system("governance:data-policy")
)
REQUEST_GRANTS = UseCase(
    "create-grant-request-in-bifrost", "Create Grant Request", ("create",), objects.system("grant-request")
)
WORKSPACES = UseCase("manage-user-workspaces", "Manage Workspaces", ("create", "update", "delete"))
SECRETS = UseCase("read-specific-secret", "Read Specific Secret", ("read",))
DATASETS = UseCase("manage-specific-dataset", "Manage Specific Dataset", ("write",))
READ_DATASETS = UseCase("read-specific-dataset", "Read Specific Dataset", objects.READ_TABLE)
DEPOTS = UseCase(
    "manage-all-depot", "Manage All Depot", ("update",), AccessObject(("dataos:resource:depot", "dataos:layer:user"))
)
METRICS = UseCase("read-metrics", "Read Metrics", ("read",), objects.system("metrics"))
MAINTAIN = UseCase("maintain-installation", "Maintain the Installation", ("maintain",), objects.system("installation"))
QUERIES = UseCase(
    "read-query-history", "Read the Query History of all Users", ("read",), objects.system("gateway:query")
)
DOWNLOADS = UseCase(
    "download-workbench-file", "Download from the Workbench", ("download",), objects.system("app:workbench")
)
AUDIT = UseCase("read-audit", "Read the Audit", ("read",), objects.system("audit"))
PRODUCTS = UseCase("manage-products", "Manage Products/Domain in Poros", ("update",))
READ_PRODUCTS = UseCase("read-products", "Get Products/Domain Details From Poros", ("read",))
HUB = UseCase("view-dph-app", "View Data Product Hub", ("get",), objects.system("dph"))
RUN_AS = UseCase("run-as-user", "Run as another User", ("run_as",))
ASKED = (
    UNSANITIZE, USERS, USER_TAGS, TOKENS, READ_USERS, GOVERNANCE, READ_GOVERNANCE, DATA_POLICIES, REQUEST_GRANTS,
    DEPOTS, METRICS, MAINTAIN, QUERIES, AUDIT,
)  # fmt: skip
"""Those whose object is fixed, so that one answer holds everywhere: screens ask for them in advance."""


def require_user(principal: Principal, action: str) -> None:
    """A person or application, not a job. Raises `auth.forbidden`."""
    if principal.attempt is not None:
        raise fail("auth.forbidden", f"a job's token may not {action}", hint="use a user's token")


def may(principal: Principal, use_case: UseCase, thing: AccessObject | None = None) -> bool:
    """Does a policy allow what the use case stands for? `thing`: to which object, where that is not fixed."""
    return principal.attempt is None and principal.decide(use_case.predicates, thing or use_case.thing).allowed


def require(principal: Principal, action: str, use_case: UseCase, thing: AccessObject | None = None) -> None:
    """What the use case stands for. Raises `auth.forbidden`."""
    require_user(principal, action)
    decision = principal.decide(use_case.predicates, thing or use_case.thing)
    if not decision.allowed:
        raise forbidden(principal, action, use_case, decision.rules)


def require_own(
    principal: Principal, owner: str, action: str, use_case: UseCase, thing: AccessObject | None = None
) -> None:
    """As `require`; who owns the thing needs no policy that allows it, but one may deny it. Raises `auth.forbidden`."""
    require_user(principal, action)
    decision = principal.decide(use_case.predicates, thing or use_case.thing)
    denied = bool(decision.rules) and not decision.allowed
    if denied or not (decision.allowed or owns(principal, owner)):
        raise forbidden(principal, action, use_case, decision.rules)


def owns(principal: Principal, owner: str) -> bool:
    """Is it his?"""
    return principal.attempt is None and principal.user_id == owner


def may_own(principal: Principal, owner: str, use_case: UseCase, thing: AccessObject | None = None) -> bool:
    """As `require_own`, as a question."""
    decision = principal.decide(use_case.predicates, thing or use_case.thing)
    denied = bool(decision.rules) and not decision.allowed
    return principal.attempt is None and not denied and (decision.allowed or owns(principal, owner))


def allows(principal: Principal, predicate: str, paths: Sequence[str], tags: Sequence[str]) -> bool:
    """A decision for somebody else's enforcement point. In doubt no: a job's token, an object that names nothing."""
    if principal.attempt is not None or not (paths or tags):
        return False
    return principal.decide((predicate.strip(),), AccessObject(tuple(tags), tuple(paths))).allowed


def forbidden(
    principal: Principal, action: str, use_case: UseCase | None = None, policies: Sequence[str] = ()
) -> DataOSError:
    """The refusal, naming what is missing, or which policy denies it."""
    if policies:
        why = f"policy {', '.join(f'`{p}`' for p in policies)} denies it"
    else:
        missing = f"missing use case: {use_case.name} (`{use_case.id}`); " if use_case else ""
        why = f"{missing}ask for a grant of it; an operator (tag {OPERATOR_TAG}) may, and owners for what is theirs"
    return fail("auth.forbidden", f"Forbidden: user {principal.user_id} may not {action}", hint=why)
