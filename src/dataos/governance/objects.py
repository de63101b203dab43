"""What decisions are about: the tags and paths by which policies know each thing (ch08 2.2)."""

from __future__ import annotations

from collections.abc import Iterable

from dataos.core.addresses import Udl
from dataos.governance.exposure import DatasetName
from dataos.governance.policies import AccessObject

PRODUCT = "data"
"""The type of data products, the one kind of Resource that policies know by tags of its own."""

READ_TABLE = ("select", "read")
"""Whoever may do one of these to a dataset's address may query it."""


def resource(
    type_: str, name: str, workspace: str | None, layer: str, owner: str, tags: Iterable[str] = ()
) -> AccessObject:
    """A Resource. `layer`: `system` if it or its workspace is of layer system."""
    if type_ == PRODUCT:
        return product(name, owner, tags)
    level = "workspace-resource" if workspace is not None else "cluster-resource"
    found = ["dataos:type:resource", f"dataos:type:{level}", f"dataos:resource:{type_}", f"dataos:layer:{layer}"]
    found.append(f"dataos:owner:{owner}")
    if workspace is not None:
        found.append(f"dataos:workspace:{workspace}")
    place = f"workspaces/{workspace}/resources" if workspace is not None else "resources"
    own = (t for t in tags if not t.startswith("dataos:layer:"))  # what a manifest says of its layer is settled above
    return AccessObject(tuple(dict.fromkeys([*found, *own])), (f"/poros/api/v1/{place}/{type_}/{name}",))


def product(name: str, owner: str, tags: Iterable[str] = ()) -> AccessObject:
    """A data product."""
    found = [*product_tags(name), f"dataos:owner:{owner}", *tags]
    return AccessObject(tuple(dict.fromkeys(found)), (f"/api/v1/products/data/{name}",))


def product_tags(name: str) -> list[str]:
    """Tags that every product carries (ch09 2.2)."""
    return ["dataos:type:product", f"dataos:product:{PRODUCT}", f"dataos:product:{PRODUCT}:{name}"]


def workspace(name: str, layer: str) -> AccessObject:
    """A workspace itself."""
    return AccessObject(
        ("dataos:type:workspace", f"dataos:workspace:{name}", f"dataos:layer:{layer}"),
        (f"/poros/api/v1/workspaces/{name}",),
    )


def cluster(name: str) -> AccessObject:
    """A Cluster, to run statements on; every spelling of the reference is a tag of it."""
    return AccessObject(
        (f"dataos:resource:cluster:minerva:{name}", f"dataos:resource:cluster:{name}", "dataos:system:minerva:cluster")
    )


def table(dataset: DatasetName, tags: Iterable[str] = ()) -> AccessObject:
    """A dataset as a table of a Cluster. `tags`: its own."""
    tag = f"dataos:system:minerva:table:{dataset.depot}:{dataset.collection}:{dataset.dataset}"
    return AccessObject((tag, *tags), paths(dataset))


def dataset(name: DatasetName, tags: Iterable[str] = ()) -> AccessObject:
    """A dataset through the depot service. `tags`: its own."""
    tag = f"dataos:system:ds:dataset:{name.depot}:{name.collection}:{name.dataset}"
    return AccessObject((tag, *tags), paths(name))


def writable(address_: str) -> AccessObject:
    """A dataset by its address, to be written or changed."""
    return dataset(DatasetName.of(Udl.parse(address_)))


def column(name: DatasetName, path: Iterable[str], tags: Iterable[str]) -> AccessObject:
    """A column of a dataset, or a field in one."""
    inner = ".".join(path)
    return AccessObject(("dataos:type:column", *tags), tuple(f"{p}#{inner}" for p in paths(name)))


def secret(id_: str) -> AccessObject:
    """The values of a secret in the vault."""
    return AccessObject((f"dataos:type:secret:{id_}",), (f"/heimdall/api/v1/secrets/{id_}",))


def user(id_: str) -> AccessObject:
    """A user, as whom somebody may act."""
    return AccessObject((f"users:id:{id_}",))


def system(part: str) -> AccessObject:
    """A part of the platform: `user`, `governance:policy`, `gateway`..."""
    return AccessObject((f"dataos:system:{part}",))


def paths(name: DatasetName) -> tuple[str, ...]:
    """The dataset's address as people write it and, where that differs, with its signs escaped."""
    plain = f"dataos://{name.depot}:{name.collection}/{name.dataset}"
    escaped = address(name)
    return (plain,) if plain == escaped else (plain, escaped)


def address(name: DatasetName) -> str:
    """`dataos://depot:collection/dataset`."""
    return str(Udl(name.depot, name.collection, name.dataset))
