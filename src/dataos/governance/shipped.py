"""What every installation starts with: tag-namespaces, roles, providers and their atoms, use-cases, who holds them, and
masks for tagged columns (ch08 2.2, 2.3, 3.6, 4.4).

A use-case that concerns a part to come has no atoms yet: it can be granted, and opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dataos.governance.policies import AccessRule, DataRule, Mask

NAMESPACES: tuple[tuple[str, str, str, str], ...] = (
    ("users", "users:**", "subject", "one user each: `users:id:<id>`"),
    ("roles", "roles:**", "subject", "roles: `roles:id:<id>`"),
    ("legacy-users", "dataos:u:**", "subject", "subjects of older manifests"),
    ("domain", "dataos:domain:**", "object", "domains"),
    ("layer", "dataos:layer:**", "object", "layers of Resources"),
    ("product", "dataos:product:**", "object", "products"),
    ("resource", "dataos:resource:**", "object", "types of Resources"),
    ("system", "dataos:system:**", "object", "parts of the platform"),
    ("type", "dataos:type:**", "object", "what an object is"),
    ("workspace", "dataos:workspace:**", "object", "workspaces"),
    ("owner", "dataos:owner:**", "object", "whose an object is: added by the platform"),
    ("info", "dataos:info:**", "inform", "informational"),
)
"""(id, glob, type, description)."""

ROLES: dict[str, str] = {
    "user": "home, own profile and tokens, requests for grants",
    "data-dev": "own Resources in user workspaces, statements",
    "system-dev": "Resources in system workspaces, Depots, data policies",
    "operator": "everything",
    "app-user": "applications",
    "pulsar-admin": "the event store",
    "depot-manager": "Depots",
    "depot-reader": "Depots, to look at",
    "pii-reader": "personal data in clear, where policies say so",
}
"""Role id -> what it is for. A role is the tag `roles:id:<id>`."""

U, D, S, O = "user", "data-dev", "system-dev", "operator"  # noqa: E741 - as the reference's table heads its columns


@dataclass(frozen=True)
class Atom:
    """A predicate on objects; `${name}` in a pattern is a variable."""

    id: str
    predicate: str
    tags: tuple[Any, ...] = ()
    paths: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class UseCase:
    """Atoms with values for some of their variables. `roles`: who holds it from the start."""

    id: str
    name: str
    category: str
    roles: tuple[str, ...]
    atoms: tuple[tuple[str, dict[str, str]], ...] = ()
    open: tuple[str, ...] = field(default=())
    """Atoms whose variables a grant must fill."""


def _crud(start: str, tags: tuple[Any, ...]) -> list[Atom]:
    return [Atom(f"{verb}-{start}", verb, tags) for verb in ("read", "create", "update", "delete")]


_PROVIDER_ATOMS: dict[str, list[Atom]] = {
    "ingress-pep-provider": [
        *(Atom(f"{verb}-path-ingress", verb, paths=("${path}",)) for verb in ("get", "post", "put", "delete")),
        Atom("read-metis-api-paths", "get", paths=("${path}",)),
    ],
    "poros-pep-provider": [
        Atom("read-dataos-workspace", "read_in", ("dataos:workspace:${workspace}",)),
        *(
            Atom(f"{verb}-in-user-layer-workspace", f"{verb}_in", (["dataos:layer:user", "dataos:workspace:${workspace}"],))
            for verb in ("create", "read", "update", "delete")
        ),
        *_crud("resource", (["dataos:resource:${type}", "dataos:layer:${layer}"],)),
        *_crud("workspace", (["dataos:type:workspace", "dataos:layer:${layer}"],)),
        *(
            Atom(f"{verb}-own-resource", verb, (["dataos:resource:${type}", "dataos:layer:${layer}", "dataos:owner:self"],))
            for verb in ("create", "update", "delete", "log")
        ),
        Atom("log-resource", "log", (["dataos:resource:${type}", "dataos:layer:${layer}"],)),
        Atom("create-lens-user-dataos-resource", "create", (["dataos:resource:lens", "dataos:layer:user"],)),
        Atom("delete-lens-user-dataos-resource", "delete", (["dataos:resource:lens", "dataos:layer:user"],)),
        Atom("read-cluster-dataos-resource", "read", ("dataos:resource:cluster",)),
        Atom("read-compute-cluster-dataos-resource", "read", ("dataos:resource:compute",)),
        *(
            Atom(f"{name}-depot-{layer}-cluster-dataos-resource", verb, (["dataos:resource:depot", f"dataos:layer:{layer}"],))
            for layer in ("system", "user")
            for name, verb in (("read-log", "log"), ("update", "update"))
        ),
        Atom("run-as-dataos-resource", "run_as", ("users:id:${user}",)),
        Atom("un-sanitize-resource", "unsanitize", ("dataos:resource:**",)),
        Atom("maintain-installation", "maintain", ("dataos:system:installation",)),
        Atom("read-metrics", "read", ("dataos:system:metrics",)),
    ],
    "gateway-pep-provider": [
        Atom("run-query-gateway", "execute", ("dataos:system:gateway",)),
        Atom("cluster-access", "select", ("dataos:resource:cluster:${cluster}",)),
        Atom("minerva-cluster-access", "select", ("dataos:resource:cluster:minerva:${cluster}",)),
        Atom("minerva-table-read", "select", ("dataos:system:minerva:table:${catalog}:${schema}:${table}",)),
        Atom("query-history-read", "read", ("dataos:system:gateway:query",)),
        Atom("download-workbench-file", "download", ("dataos:system:app:workbench",)),
    ],
    "depot-service-pep-provider": [
        Atom("ds-read", "read", ("dataos:system:ds:dataset:${depot}:${collection}:${dataset}",)),
        Atom("write-dataset", "write", ("dataos:system:ds:dataset:${depot}:${collection}:${dataset}",)),
        Atom("write-depot-service-paths", "put", paths=("${path}",)),
        Atom("read-depot-credentials", "read", ("dataos:type:secret:${secret}",)),
    ],
    "heimdall-pep-provider": [
        *_crud("governance-primitive", ("dataos:system:governance:${primitive}",)),
        *_crud("user", ("dataos:system:user",)),
        *_crud("user-token", ("dataos:system:user:token",)),
        *_crud("user-tag", ("dataos:system:user:tag",)),
        Atom("create-grant-request", "create", ("dataos:system:grant-request",)),
        Atom("read-secret", "read", ("dataos:type:secret:${secret}",)),
        Atom("read-audit", "read", ("dataos:system:audit",)),
    ],
    "product-pep-provider": [
        *_crud("product", ("dataos:product:${product}",)),
        Atom("view-dph-app", "get", ("dataos:system:dph",)),
        Atom("download-dph-file", "download", ("dataos:system:dph",)),
    ],
    "workbench-pep-provider": [
        Atom(f"workbench-app-{name}", "get", paths=("/workbench/**",))
        for name in ("access-workbench-ui", "save-cluster", "delete-saved-bench", "clone-saved-bench", "save-bench", "run-query")
    ],
}  # fmt: skip

PROVIDERS: dict[str, tuple[str, list[Atom]]] = {
    id_: (id_.removesuffix("-pep-provider").replace("-", " ").title(), atoms) for id_, atoms in _PROVIDER_ATOMS.items()
}


def _manage(type_: str, layer: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """Everything with Resources of a type; in layer user with those that one owns."""
    whose = "own-" if layer == "user" else ""
    verbs = ("create", "update", "delete", "log")
    found = [("read-resource", {"type": type_, "layer": layer})]
    return (*found, *((f"{verb}-{whose}resource", {"type": type_, "layer": layer}) for verb in verbs))


def _manage_all(type_: str, layer: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """As `_manage`, whoever owns them."""
    verbs = ("read", "create", "update", "delete", "log")
    return tuple((f"{verb}-resource", {"type": type_, "layer": layer}) for verb in verbs)


def _each(types: tuple[str, ...], layer: str) -> tuple[tuple[str, dict[str, str]], ...]:
    return tuple(atom for type_ in types for atom in _manage(type_, layer))


_OTHER_USER = ("bundle", "volume", "lens", "secret", "stack", "operator", "resource")
_OTHER_SYSTEM = (*_OTHER_USER, "compute", "instance-secret", "workflow", "worker", "cluster", "lakehouse")


def _all(ids: dict[str, str], *verbs: str) -> tuple[tuple[str, dict[str, str]], ...]:
    return tuple((f"{verb}-{ids['of']}", {k: v for k, v in ids.items() if k != "of"}) for verb in verbs)


_CRUD = ("read", "create", "update", "delete")
_PER_KIND = tuple(
    UseCase(
        f"manage-{label}-in-{layer}-workspaces",
        f"Manage {label.replace('-', ' ').title()} in {layer.title()} Workspaces",
        "resource-management",
        roles,
        _manage(kind, layer),
    )
    for label, kind, layer, roles in (
        ("cluster", "cluster", "system", (O,)),
        ("cluster", "cluster", "user", (O,)),
        ("database", "database", "system", (S,)),
        ("database", "database", "user", (D, O)),
        ("lakehouse", "lakehouse", "system", (S,)),
        ("lens", "lens", "system", (S,)),
        ("monitor", "monitor", "system", (S,)),
        ("monitor", "monitor", "user", (D,)),
        ("pager-resources", "pager", "system", (D, O)),
        ("pager-resources", "pager", "user", (D, O)),
        ("secret", "secret", "system", (S,)),
        ("service", "service", "system", (S,)),
        ("service", "service", "user", (D, O)),
        ("worker", "worker", "system", (S,)),
        ("worker", "worker", "user", (D, O)),
        ("workflow", "workflow", "system", (S,)),
        ("workflow", "workflow", "user", (D, O)),
    )
)
_LATER = (
    ("edit-grafana-app", "observability", (S,)), ("grafana-admin", "observability", (O,)),
    ("manage-analytics-events", "analytics", (S, O)), ("manage-lens2-backend", "lens", (S, O)),
    ("manage-metis", "knowledge", (O,)), ("metis-root-access", "governance", (O,)),
    ("manage-profile-in-home-app", "profile", (U, D, S, O)),
    ("peer-exec-stream-service", "application-platform", (O,)), ("peer-log-stream-service", "application-platform", (D, S, O)),
    ("peer-stream-service", "application-platform", (O,)), ("read-analytics-events", "analytics", (D,)),
    ("read-caretaker-ingress", "application-platform", (U, D, S, O)), ("read-cloud-kernel-primitives", "application-platform", (S, O)),
    ("read-content-item-collated", "application-platform", (D, O)), ("read-core-kernel-logs", "application-platform", (O,)),
    ("read-core-kernel-primitives", "application-platform", (O,)), ("read-installed-products", "application-platform", (S, O)),
    ("read-instance-resources-collated", "resource-management", (D, S, O)), ("read-lens2-backend", "lens", (D,)),
    ("read-metis", "knowledge", (O,)), ("read-nodes-collated", "application-platform", (D, S, O)),
    ("read-page-events", "application-platform", (S, O)), ("read-pods-collated", "application-platform", (D, S, O)),
    ("read-resources-collated", "resource-management", (O,)),
    ("read-stack-secrets", "resource-management", (S, O)), ("read-usage", "application-platform", (S, O)),
    ("run-incremental-jobs", "knowledge", (S, O)), ("validate-stack", "", (O,)), ("view-bifrost-app", "governance", (O,)),
    ("view-grafana-app", "observability", (D,)), ("view-home-app", "profile", (U, D, S, O)),
    ("view-operations-app", "administration", (O,)), ("view-workbench-app", "query", (D, S, O)),
    ("manage-gateway", "network-gateway", ()),
    ("read-api-docs", "knowledge", ()), ("view-audience-app", "audience", ()), ("view-lens-app", "lens", ()),
    ("read-schemas", "resource-management", ()), ("themis-read-dataset", "governance", (O,)),
)  # fmt: skip


def _name(id_: str) -> str:
    return id_.replace("-", " ").title()


USE_CASES: tuple[UseCase, ...] = (
    *_PER_KIND,
    *(UseCase(id_, _name(id_), category, roles) for id_, category, roles in _LATER),
    UseCase("manage-products", "Manage Products/Domain in Poros", "product-management", (S, O),
            tuple((f"{verb}-product", {"product": "**"}) for verb in _CRUD)),
    UseCase("read-products", "Get Products/Domain Details From Poros", "product-management", (D, S, O),
            (("read-product", {"product": "**"}),)),
    UseCase("view-dph-app", "View Data Product Hub", "data", (U, D, S, O), (("view-dph-app", {}),)),
    UseCase("download-dph-file", "Download from Data Product Hub", "data", (O,), (("download-dph-file", {}),)),
    UseCase("create-grant-request-in-bifrost", "Create Grant Request", "", (U,), (("create-grant-request", {}),)),
    UseCase("manage-all-dataset", "Manage All Dataset", "data", (S, O),
            tuple((f"{a}", {"depot": "**", "collection": "**", "dataset": "**"}) for a in ("ds-read", "write-dataset"))),
    UseCase("manage-all-depot", "Manage All Depot", "resource-management", (S, O),
            tuple(a for kind in ("depot", "lakehouse") for layer in ("user", "system") for a in _manage_all(kind, layer))),
    UseCase("manage-all-other-resources-in-user-layer", "Manage All Other Resources in User Layer", "resource-management", (D, O),
            _each(_OTHER_USER, "user")),
    UseCase("manage-all-other-resources-in-system-layer", "Manage All Other Resources in System Layer", "resource-management", (S, O),
            _each(_OTHER_SYSTEM, "system")),
    UseCase("manage-datapolicy", "Manage Data Policy", "governance", (S, O), _all({"of": "governance-primitive", "primitive": "data-policy"}, *_CRUD)),
    UseCase("manage-governance-primitives", "Manage Governance Primitives", "governance", (O,),
            _all({"of": "governance-primitive", "primitive": "**"}, *_CRUD)),
    UseCase("read-governance-primitives", "Read Governance Primitives", "governance", (D, S), (("read-governance-primitive", {"primitive": "**"}),)),
    UseCase("manage-secrets", "Manage Secrets", "governance", (S, O), (*_manage_all("instance-secret", "user"), *_manage_all("secret", "user"))),
    UseCase("manage-system-workspaces", "Manage System Workspaces", "resource-management", (O,), _all({"of": "workspace", "layer": "system"}, *_CRUD)),
    UseCase("manage-user-workspaces", "Manage User Workspaces", "resource-management", (O,), _all({"of": "workspace", "layer": "user"}, *_CRUD)),
    UseCase("read-workspaces", "Read Workspaces", "resource-management", (U, D, S), _all({"of": "workspace", "layer": "**"}, "read")),
    UseCase("manage-user-tags", "Manage User Tags", "governance", (O,), tuple((f"{v}-user-tag", {}) for v in _CRUD)),
    UseCase("manage-user-tokens", "Manage User Tokens", "governance", (O,), tuple((f"{v}-user-token", {}) for v in _CRUD)),
    UseCase("manage-users", "Manage Users", "governance", (O,),
            tuple((f"{v}-{n}", {}) for n in ("user", "user-tag", "user-token") for v in _CRUD)),
    UseCase("read-users", "Read Users", "governance", (U, D, S, O), (("read-user", {}),)),
    UseCase("read-user-tags", "Read User Tags", "governance", (O,), (("read-user-tag", {}),)),
    UseCase("minerva-cluster-access", "Minerva Cluster Access", "governance", (D, S, O), (("minerva-cluster-access", {"cluster": "**"}),)),
    UseCase("minerva-cluster-access-default", "Access to the Cluster that comes with the installation", "governance", (U,),
            (("minerva-cluster-access", {"cluster": "miniature"}),)),
    UseCase("minerva-table-read", "Minerva Table Read", "governance", (),
            open=("minerva-cluster-access", "minerva-table-read", "ds-read")),
    UseCase("read-specific-dataset", "Read Specific Dataset", "data", (), open=("ds-read", "minerva-table-read")),
    UseCase("manage-specific-dataset", "Manage Specific Dataset", "data", (), open=("ds-read", "minerva-table-read", "write-dataset")),
    UseCase("read-all-dataset", "Read All Dataset", "data", (),
            (("ds-read", {"depot": "**", "collection": "**", "dataset": "**"}), ("minerva-table-read", {"catalog": "**", "schema": "**", "table": "**"}))),
    UseCase("run-query-gateway", "Run Query Gateway", "network-gateway", (U, D, S), (("run-query-gateway", {}),)),
    UseCase("read-all-resources-in-user-workspaces", "Read All Resources in User Workspaces", "resource-management", (D,),
            (("read-resource", {"type": "**", "layer": "user"}),)),
    UseCase("read-all-resources-system-workspaces", "Read All Resources in System Workspaces", "resource-management", (S,),
            (("read-resource", {"type": "**", "layer": "system"}), ("read-resource", {"type": "**", "layer": "user"}))),
    UseCase("read-workspace", "Read a Workspace", "resource-management", (), open=("read-dataos-workspace",)),
    *(UseCase(f"{v}-in-specified-workspace", f"{v.title()} Resources in a specified Workspace", "resource-management", (),
              open=(f"{v}-in-user-layer-workspace",)) for v in _CRUD),
    UseCase("read-specific-secret", "Read Specific Secret", "governance", (), open=("read-secret",)),
    UseCase("read-all-secrets-from-heimdall", "Read All Secrets", "governance", (O,), (("read-secret", {"secret": "**"}),)),
    UseCase("un-sanitize-resource", "Un-sanitize Resource", "resource-management", (O,), (("un-sanitize-resource", {}),)),
    UseCase("run-as-user", "Run as another User", "resource-management", (), open=("run-as-dataos-resource",)),
    UseCase("maintain-installation", "Maintain the Installation", "administration", (O,), (("maintain-installation", {}),)),
    UseCase("read-metrics", "Read Metrics", "administration", (O,), (("read-metrics", {}),)),
    UseCase("read-audit", "Read the Audit", "governance", (O,), (("read-audit", {}),)),
    UseCase("download-workbench-file", "Download Workbench File", "query", (O,), (("download-workbench-file", {}),)),
    UseCase("read-query-history", "Read the Query History of all Users", "query", (O,), (("query-history-read", {}),)),
)  # fmt: skip

EVERYTHING = AccessRule(
    "operators-everything", (("roles:id:operator",),), ("**",), ("**",), (("**",),), True, "system", "shipped",
    "operators may do everything that no policy denies",
)  # fmt: skip


def _mask(name: str, tag: str, mask: Mask, *, priority: int = 99, role: str = "user") -> DataRule:
    described = f"shipped: for columns with the tag {tag}"
    return DataRule(name, "mask", priority, (f"roles:id:{role}",), column_tags=(tag,), mask=mask, description=described)


_HASH = Mask("hash", algo="sha256")
DATA_POLICIES: tuple[DataRule, ...] = (
    _mask("age", "PII.Age", Mask("bucket_number", buckets=(5, 12, 18, 25, 45, 60, 70))),
    _mask("dateofbirth", "PII.DateOfBirth", Mask("bucket_date", precision="year")),
    _mask("email", "PII.Email", _HASH),
    _mask("phonenumber", "PII.PhoneNumber", Mask("regex_replace", pattern=".{5}$", replacement="xxxxx")),
    _mask("name", "PII.Name", _HASH),
    _mask("socialsecuritynumber", "PII.SocialSecurityNumber", Mask("rand_pattern", pattern="####-###-####-##")),
    _mask("licensenumber", "PII.LicenseNumber", Mask("rand_pattern", pattern="####-####-####")),
    _mask("gender", "PII.Gender", Mask("redact")),
    _mask("income", "PII.Income",
          Mask("bucket_number", buckets=(1000, 2000, 5000, 10000, 50000, 100000, 200000, 500000))),
    _mask("location", "PII.Location", Mask("redact")),
    _mask("pii-hash", "PII.Sensitive", _HASH),
    _mask("pii-reader", "PII.Sensitive", Mask("pass_through"), priority=90, role="pii-reader"),
)  # fmt: skip
COLUMN_TAGS = tuple(dict.fromkeys(tag for rule in DATA_POLICIES for tag in rule.column_tags))
"""Column tags that are known from the start."""
