"""The `connection` of an address, as the Depot Service of the reference tells it for each type (ch02 1.10).

Pure: what a location says, without credentials. Keys that a location does not name are null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dataos.core.addresses import Udl
from dataos.depots import paths
from dataos.depots.ports import DepotEntry

_Made = dict[str, Any]
_JDBC_NAMES = {"POSTGRESQL": "postgresql", "MYSQL": "mysql", "MSSQL": "sqlserver", "REDSHIFT": "redshift"}


def connection(entry: DepotEntry, udl: Udl) -> _Made:
    """Settings by which clients of the reference reach an address."""
    make = _BY_TYPE.get(entry.type)
    return make(entry, udl) if make is not None else dict(entry.location)


def _relative(entry: DepotEntry, udl: Udl) -> tuple[str, str]:
    """The depot's own folder, and the path of the address below it."""
    return str(entry.location.get("relativePath") or "").strip("/"), paths.relative(udl.collection, udl.dataset)


def _store(key: str, root: Callable[[Mapping[str, Any]], str], own: Callable[[Mapping[str, Any]], _Made]) -> Any:
    def make(entry: DepotEntry, udl: Udl) -> _Made:
        prefix, path = _relative(entry, udl)
        whole = "/".join(p for p in (prefix, path) if p)
        where = entry.location
        return {
            key: root(where) + (f"/{whole}" if whole else ""),
            **own(where),
            "path": path,
            "relativePath": prefix,
            "metastoreUrl": where.get("metastoreUrl"),
            "icebergCatalogType": where.get("icebergCatalogType"),
        }

    return make


def _azure(scheme: str) -> Any:
    return _store(
        f"{scheme}Url",
        lambda w: f"{scheme}://{w['container']}@{w['account']}.{w['endpointSuffix']}",
        lambda w: {"container": w["container"], "account": w["account"]},
    )


def _file(entry: DepotEntry, udl: Udl) -> _Made:
    path = paths.relative(udl.collection, udl.dataset)
    return {"url": f"file://{entry.location['path']}" + (f"/{path}" if path else "")}


def _database(entry: DepotEntry, udl: Udl) -> _Made:
    where = entry.location
    subprotocol = _JDBC_NAMES.get(entry.type) or str(where.get("subprotocol") or "")
    database = where.get("database")
    if where.get("host"):
        url = f"jdbc:{subprotocol}://{where['host']}:{where['port']}" + (f"/{database}" if database else "")
    else:
        url = f"jdbc:{subprotocol}:{database}"
    return {
        "url": url,
        "host": where.get("host"),
        "port": where.get("port"),
        "subprotocol": subprotocol,
        "database": database,
        "schema": udl.collection,
        "table": udl.dataset,
        "params": dict(where.get("params") or {}),
    }


def _oracle(entry: DepotEntry, udl: Udl) -> _Made:
    where = entry.location
    return {
        "url": f"jdbc:oracle:thin:@{where['host']}:{where['port']}/{where['service']}",
        "host": where["host"],
        "port": where["port"],
        "service": where["service"],
        "schema": udl.collection,
        "table": udl.dataset,
        "subprotocol": where["subprotocol"],
    }


def _bigquery(entry: DepotEntry, udl: Udl) -> _Made:
    project = entry.location.get("project")
    return {"projectID": project, "project": project, "dataset": udl.collection, "table": udl.dataset}


def _snowflake(entry: DepotEntry, udl: Udl) -> _Made:
    keys = ("url", "warehouse", "database", "account", "role")
    return {**{k: entry.location.get(k) for k in keys}, "schema": udl.collection, "table": udl.dataset}


def _kafka(entry: DepotEntry, udl: Udl) -> _Made:
    where = entry.location
    return {
        "brokers": ",".join(where["brokers"]),
        "topic": udl.dataset,
        "schemaRegistryUrl": where.get("schemaRegistryUrl"),
        "params": dict(where.get("params") or {}),
    }


def _pulsar(entry: DepotEntry, udl: Udl) -> _Made:
    where = entry.location
    namespace = udl.collection if udl.collection not in (None, "none") else "default"
    tenant = where["tenant"]
    return {
        "serviceUrl": where["serviceUrl"],
        "adminUrl": where["adminUrl"],
        "tenant": tenant,
        "topic": f"persistent://{tenant}/{namespace}/{udl.dataset}" if udl.dataset else None,
        "isPersistent": True,
        "params": dict(where.get("params") or {}),
    }


def _mongodb(entry: DepotEntry, udl: Udl) -> _Made:
    where = entry.location
    nodes = ",".join(where["nodes"])
    return {
        "connectionUrl": f"{where['subprotocol']}://{nodes}",
        "subprotocol": where["subprotocol"],
        "nodes": nodes,
        "database": udl.collection,
        "table": udl.dataset,
        "params": dict(where.get("params") or {}),
    }


def _search(entry: DepotEntry, udl: Udl) -> _Made:
    where = entry.location
    params = dict(where.get("params") or {})
    return {"nodes": ",".join(where["nodes"]), "index": udl.dataset, "type": None, "params": params}


def _eventhub(entry: DepotEntry, udl: Udl) -> _Made:
    return {"endpoint": entry.location["endpoint"], "eventhubName": udl.dataset}


def _redis(entry: DepotEntry, udl: Udl) -> _Made:
    where = entry.location
    return {"host": where["host"], "port": where["port"], "table": udl.dataset, "db": where.get("db")}


def _http(entry: DepotEntry, udl: Udl) -> _Made:
    where = entry.location
    path = paths.relative(udl.collection, udl.dataset)
    url = str(where["baseUrl"]).rstrip("/") + (f"/{path}" if path else "")
    return {"url": url, "headers": where.get("headers") or {}, "queryParams": where.get("queryParams") or {}}


def _presto(entry: DepotEntry, udl: Udl) -> _Made:
    where = entry.location
    keys = ("host", "port", "catalog")
    params = dict(where.get("params") or {})
    return {**{k: where[k] for k in keys}, "schema": udl.collection, "table": udl.dataset, "params": params}


_BY_TYPE: Mapping[str, Callable[[DepotEntry, Udl], _Made]] = {
    "ABFSS": _azure("abfss"),
    "WASBS": _azure("wasbs"),
    "S3": _store("s3Url", lambda w: f"{w.get('scheme') or 's3a'}://{w['bucket']}", lambda w: {"bucket": w["bucket"]}),
    "GCS": _store("gcsUrl", lambda w: f"gs://{w['bucket']}", lambda w: {"bucket": w["bucket"]}),
    "FILE": _file,
    **dict.fromkeys(("JDBC", "POSTGRESQL", "MYSQL", "MSSQL", "REDSHIFT"), _database),
    "ORACLE": _oracle,
    "BIGQUERY": _bigquery,
    "SNOWFLAKE": _snowflake,
    "KAFKA": _kafka,
    "PULSAR": _pulsar,
    "MONGODB": _mongodb,
    "ELASTICSEARCH": _search,
    "OPENSEARCH": _search,
    "EVENTHUB": _eventhub,
    "REDIS": _redis,
    "HTTP": _http,
    "PRESTO": _presto,
}
