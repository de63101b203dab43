"""The builder of sessions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dataos.client.connections import find_connection
from dataos.core.addresses import Udl
from dataos.core.errors import DataOSError
from dataos.core.secrecy import Secret
from dataos.core.sparkaddresses import SparkAddress
from dataos.stacks.flare.driver import programs
from pyflare.sdk import sessions
from pyflare.sdk.exceptions import InvalidInputException, MissingEnvironmentVariable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


class SparkSessionBuilder:
    """Says, step by step, what a session shall have; `build_session` makes it.

    Without a key or a name of the server, DATAOS_RUN_AS_APIKEY (or APIKEY) and DATAOS_FQDN of the environment count.
    """

    def __init__(self, log_level: str = "INFO") -> None:
        level = {"WARNING": "WARN"}.get(log_level.upper(), log_level.upper())
        if level not in _LEVELS:
            raise InvalidInputException(f"log_level `{log_level}` is not allowed; allowed: {', '.join(_LEVELS)}")
        self.log_level = level
        self.conf: dict[str, str] = {}
        self.depots: dict[str, str] = {}
        self.token: Secret | None = None
        self.fqdn: str | None = None

    def with_spark_conf(self, conf: Iterable[tuple[str, Any]]) -> SparkSessionBuilder:
        """Properties of Spark. `spark.remote` (`sc://host:port`) names an Apache Spark; `spark.master` does nothing."""
        self.conf.update({key: str(value) for key, value in conf})
        return self

    def with_user_apikey(self, apikey: str) -> SparkSessionBuilder:
        """The key of an API token: reading and writing are done as its user."""
        self.token = Secret(apikey)
        return self

    def with_dataos_fqdn(self, fqdn: str) -> SparkSessionBuilder:
        """The server: `name.example.org`, or `http://localhost:8080`."""
        self.fqdn = fqdn
        return self

    def with_depot(self, depot_name: str, acl: str = "r") -> SparkSessionBuilder:
        """A depot that is read (`r`) or written too (`rw`)."""
        if acl not in ("r", "rw"):
            raise InvalidInputException(f"acl `{acl}` is not allowed; allowed: r, rw")
        known = self.depots.get(depot_name)
        self.depots[depot_name] = "rw" if "rw" in (acl, known) else "r"
        return self

    def with_readers(self, addresses: Sequence[str]) -> SparkSessionBuilder:
        """Datasets that are read: their depots become part of the session."""
        for address in addresses:
            self.with_depot(_depot_of(address), "r")
        return self

    def with_writers(self, addresses: Sequence[str]) -> SparkSessionBuilder:
        """Datasets that are written: their depots become part of the session."""
        for address in addresses:
            self.with_depot(_depot_of(address), "rw")
        return self

    def load_default_spark_conf(self) -> SparkSessionBuilder:
        """Nothing to add: what a session needs it has."""
        return self

    def build_session(self) -> SparkSession:
        """The session, which `load` and `save` use from now on.

        Raises MissingEnvironmentVariable without a server or a key, InvalidInputException for depots that the server
        does not give, PyflareReadException if the engine cannot be started.

        In a job of a Workflow it is the job's: server and key are those of the run, whatever was named.
        """
        program = programs.current()
        if program is not None:
            return sessions.open_in_job(program, self.depots, self.conf, self.log_level)
        fqdn = self.fqdn or os.environ.get("DATAOS_FQDN")
        if not fqdn:
            raise MissingEnvironmentVariable("no server: call with_dataos_fqdn, or set DATAOS_FQDN")
        key = os.environ.get("DATAOS_RUN_AS_APIKEY") or os.environ.get("APIKEY")
        token = self.token or (Secret(key) if key else None)
        if token is None or not token.reveal():
            raise MissingEnvironmentVariable("no API key: call with_user_apikey, or set DATAOS_RUN_AS_APIKEY")
        try:
            found = find_connection({"DATAOS_FQDN": fqdn, "APIKEY": token.reveal()})
            remote = self.conf.get("spark.remote")
            spark = SparkAddress.parse(remote) if remote else None
        except DataOSError as error:
            raise InvalidInputException(str(error)) from None
        return sessions.open_session(found, self.depots, self.conf, self.log_level, spark)


def _depot_of(address: str) -> str:
    try:
        return Udl.parse(address).depot
    except DataOSError as error:
        raise InvalidInputException(str(error)) from None
