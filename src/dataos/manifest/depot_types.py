"""The depot types that are built in: what each is called, how it logs in, what it can do, which driver it needs.

The one table of abilities: `dataos depot types`, the API, the reference pages and every refusal read it. A descriptor
is frozen data; its spec and adapter are dotted strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from dataos.core.errors import Problem


class Ability(StrEnum):
    """How far an ability of a type is built."""

    YES = "yes"
    LATER = "later"  # the type can, this version does not yet
    NO = "no"


YES, LATER, NO = Ability.YES, Ability.LATER, Ability.NO

MEANINGS: Mapping[str, str] = {
    "read": "jobs read it as an input",
    "write": "jobs write it as an output",
    "list": "its collections, datasets or files are listed",
    "stream": "jobs read or write it without an end",
    "query": "a Cluster queries it in place with SQL (read-only)",
    "scan": "a Scanner takes its metadata into the catalog",
}
"""What each ability means, in the order in which they are shown."""

_REFUSALS = {
    "read": "be read by jobs",
    "write": "be written by jobs",
    "list": "be listed",
    "stream": "be streamed",
    "query": "be queried in place with SQL",
    "scan": "be scanned",
}


@dataclass(frozen=True)
class Abilities:
    """What a type can do here. Fields are those of `MEANINGS`."""

    read: Ability = NO
    write: Ability = NO
    list: Ability = NO
    stream: Ability = NO
    query: Ability = NO
    scan: Ability = NO

    def to_json(self) -> dict[str, str]:
        """Ability -> yes, later or no."""
        return {f.name: str(getattr(self, f.name)) for f in fields(self)}

    def named(self, how_far: Ability = YES) -> list[str]:
        """Abilities that are so far."""
        return [f.name for f in fields(self) if getattr(self, f.name) is how_far]


@dataclass(frozen=True)
class DepotTypeDescriptor:
    """One depot type. `sections` are spellings of the typed section."""

    name: str
    spec: str  # "module:read": (location data, reading) -> location model
    adapter: str | None  # "module:Adapter"; None: cannot be reached yet
    aliases: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    needs_secret: bool = True
    abilities: Abilities = Abilities()
    note: str = ""  # which part of the type an ability is limited to
    extra: str = ""  # the extra of this package that brings its driver; empty: nothing more is needed
    credentials: tuple[tuple[str, ...], ...] = ()  # ways to log in: each, the keys that it needs; (): any keys
    credential_options: tuple[str, ...] = ()  # keys that may stand beside them

    def to_json(self) -> dict[str, object]:
        """What `dataos depot types` and the API show of it."""
        return {
            "type": self.name,
            "aliases": [*self.aliases],
            "abilities": self.abilities.to_json(),
            "note": self.note,
            "extra": self.extra or None,
        }


FILE_STORES = ("FILE", "S3", "GCS", "ABFSS", "WASBS")
"""Types that hold files."""


def refusal(descriptor: DepotTypeDescriptor, ability: str, depot: str) -> Problem:
    """The Problem of asking a depot for an ability that its type lacks here, naming the types that have it."""
    word = "cannot yet" if getattr(descriptor.abilities, ability) is LATER else "cannot"
    note = f" ({descriptor.note})" if getattr(descriptor.abilities, ability) is YES and descriptor.note else ""
    able = ", ".join(d.name for d in DEPOT_TYPES.values() if getattr(d.abilities, ability) is YES)
    return Problem(
        "depot.unsupported",
        f"depot '{depot}' is of type {descriptor.name}, which {word} {_REFUSALS[ability]}{note}",
        hint=(f"types that can: {able}; " if able else "") + "`dataos depot types` shows what each type can do",
    )


def _type(
    name: str,
    abilities: Abilities,
    *credentials: str,
    adapter: str = "",
    sections: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
    options: str = "",
    needs_secret: bool = True,
    note: str = "",
    extra: str = "",
) -> DepotTypeDescriptor:
    """`credentials`: the keys of one way to log in each. `adapter`: its class; in the type's own folder if no module is
    named; empty: none yet."""
    place = f"dataos.depots.types.{name.lower()}"
    return DepotTypeDescriptor(
        name,
        spec=f"{place}.spec:read",
        adapter=(adapter if ":" in adapter else f"{place}.adapter:{adapter}") if adapter else None,
        aliases=aliases,
        sections=(name.lower(), *sections),
        needs_secret=needs_secret,
        abilities=abilities,
        note=note,
        extra=extra,
        credentials=tuple(tuple(keys.split()) for keys in credentials),
        credential_options=tuple(options.split()),
    )


_USER = "username password"
_AZURE = "azurestorageaccountname azurestorageaccountkey"
_AZURE_ADAPTER = "dataos.depots.types.abfss.adapter:AzureAdapter"
_SEARCH_ADAPTER = "dataos.depots.types.elasticsearch.adapter:SearchAdapter"
_OBJECTS = Abilities(read=YES, write=YES, list=YES, query=LATER)
_ATTACHED = Abilities(read=YES, write=YES, list=YES, query=YES, scan=LATER)
_TABLES = Abilities(read=LATER, write=LATER, list=YES, query=LATER, scan=LATER)
_SEARCH = Abilities(read=LATER, write=LATER, list=YES)
_TABLE_NOTE = "with `format: ICEBERG` or `DELTA` its tables are listed"
_TABLES_READ = "queries: with `format: ICEBERG` or `DELTA`, its tables"

_ALL = (
    _type("FILE", Abilities(read=YES, write=YES, list=YES, query=YES), adapter="FileAdapter", needs_secret=False,
          note=_TABLES_READ),
    _type(
        "POSTGRESQL",
        _ATTACHED,
        _USER,
        adapter="PostgresqlAdapter",
        aliases=("POSTGRES",),
        sections=("postgres", "jdbc"),
        options="user",
    ),
    _type("ICEBERG", Abilities(read=YES, write=YES, list=YES, query=YES, scan=LATER), adapter="IcebergAdapter",
          needs_secret=False, note="the own depot of a Lakehouse"),
    _type("ABFSS", _OBJECTS, _AZURE, adapter=_AZURE_ADAPTER, options="azureendpointsuffix ca_file", note=_TABLE_NOTE),
    _type("WASBS", _OBJECTS, _AZURE, adapter=_AZURE_ADAPTER, options="azureendpointsuffix ca_file", note=_TABLE_NOTE),
    _type(
        "S3",
        Abilities(read=YES, write=YES, list=YES, query=YES),
        "accesskeyid secretkey",
        "awsaccesskeyid awssecretaccesskey",
        adapter="S3Adapter",
        options="awsendpoint awsbucketname awssessiontoken ca_file",
        note=_TABLES_READ,
    ),
    _type(
        "GCS",
        _OBJECTS,
        "gcskey_json",
        "email privatekey privatekeyid",
        adapter="GcsAdapter",
        options="projectid email gcskeyjson ca_file",
        note=_TABLE_NOTE,
    ),
    _type("BIGQUERY", _TABLES, "json_keyfile", adapter="BigqueryAdapter", options="projectid email", extra="bigquery"),
    _type("REDSHIFT", _TABLES, _USER, adapter="RedshiftAdapter",
          options="awsaccesskeyid awsaccesskey awssecretaccesskey", extra="redshift"),
    _type("SNOWFLAKE", _TABLES, _USER, "username passphrase key", "username key", adapter="SnowflakeAdapter",
          options="auth_mode", extra="snowflake"),
    _type(
        "JDBC",
        _ATTACHED,
        _USER,
        "token",
        adapter="JdbcAdapter",
        sections=("postgresql", "mysql", "sqlserver", "mssql", "oracle", "db2"),
        note="queried in place with subprotocol mysql, mariadb, sqlite or duckdb, written with these but duckdb; "
        "other drivers are extras: mssql, oracle, redshift, databricks, db2",
    ),
    _type("MYSQL", _ATTACHED, _USER, adapter="MysqlAdapter", sections=("jdbc",), options="user"),
    _type("MSSQL", _TABLES, _USER, adapter="MssqlAdapter", sections=("sqlserver", "jdbc"), aliases=("SQLSERVER",),
          extra="mssql"),
    _type("ORACLE", _TABLES, _USER, adapter="OracleAdapter", sections=("jdbc",), extra="oracle"),
    _type(
        "MONGODB",
        Abilities(read=LATER, write=LATER, list=YES, scan=LATER),
        _USER,
        adapter="MongodbAdapter",
        sections=("mongo",),
        aliases=("MONGO",),
        options="keyStorePassword trustStorePassword ca_file key_store_file trust_store_file",
        needs_secret=False,
        extra="mongodb",
    ),
    _type("ELASTICSEARCH", _SEARCH, _USER, adapter=_SEARCH_ADAPTER, sections=("elasticesearch", "opensearch"),
          options="ca_file", needs_secret=False),
    _type("OPENSEARCH", _SEARCH, _USER, adapter=_SEARCH_ADAPTER, sections=("elasticesearch", "elasticsearch"),
          options="ca_file", needs_secret=False),
    _type(
        "KAFKA",
        Abilities(read=YES, write=YES, list=YES, stream=YES, scan=LATER),
        _USER,
        adapter="KafkaAdapter",
        options="security_protocol sasl_mechanism trust_store_type trust_store_password ca_file trust_store_file "
        "schema_registry_username schema_registry_password",
        needs_secret=False,
        extra="kafka",
    ),
    _type("EVENTHUB", Abilities(read=YES, write=YES, list=YES, stream=YES),
          "eh_shared_access_key_name eh_shared_access_key", adapter="EventhubAdapter", options="ca_file",
          extra="kafka"),
    _type("PULSAR", Abilities(read=YES, write=YES, list=YES, stream=YES, scan=LATER), adapter="PulsarAdapter",
          sections=("fastbase",), aliases=("FASTBASE",), needs_secret=False, extra="pulsar"),
    _type("REDIS", Abilities(read=LATER, write=LATER, list=YES), adapter="RedisAdapter", needs_secret=False,
          extra="redis"),
    _type("HTTP", Abilities(read=LATER), adapter="HttpAdapter", needs_secret=False),
    _type("PRESTO", Abilities(read=LATER, list=YES, query=LATER), adapter="PrestoAdapter", needs_secret=False,
          extra="trino"),
)  # fmt: skip

DEPOT_TYPES: dict[str, DepotTypeDescriptor] = {d.name: d for d in _ALL}
