"""`${NAME}` in a pipeline: filled in by the engine from its environment when it starts (ch05 7.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dataos.manifest.specs import Path
from dataos.manifest.stacks import texts

_VARIABLE = re.compile(r"\$\{(?P<brace>\{)?(?P<name>[0-9A-Za-z_.]+)(?P<default>:(?:\$\{[^}]*\}|[^}])*)?\}")

_PLATFORM = """
DATAOS_NAME DATAOS_TYPE DATAOS_WORKSPACE DATAOS_DESCRIPTION DATAOS_TAGS DATAOS_RESOURCE_ID DATAOS_RUN_ID DATAOS_UID
DATAOS_STAMP DATAOS_RUN_AS_USER DATAOS_RUN_AS_APIKEY DATAOS_FQDN DATAOS_CONFIG_DIR DATAOS_SECRET_DIR DATAOS_TEMP_DIR
RUNNABLE_ARTIFACT_DIR RUNNABLE_TYPE LOG_LEVEL DATAOS_LOG_LEVEL DATAOS_IS_DRY_RUN DEPOT_SERVICE_URL GATEWAY_URL
HEIMDALL_URL HERA_URL HERA_SSL METIS_URL METIS_AUTH_PROVIDER SCS_SERVICE_URL PULSAR_SERVICE_URL MINERVA_JDBC_URL
MINERVA_TCP_HOST MINERVA_TCP_PORT SSL_KEYSTORE_PASSWORD SSL_TRUSTSTORE_PASSWORD POD_NAME PATH HOME
"""
PLATFORM = frozenset(_PLATFORM.split())
"""Variables that every workload gets (ch03 1.2)."""


def wanted(data: Any, path: Path = ()) -> Iterator[tuple[str, Path]]:
    """Names without a default, each with where it stands."""
    for where, text in texts(data, path):
        for match in _VARIABLE.finditer(text):
            if match["brace"] is None and match["default"] is None:
                yield match["name"], where


def escaped(data: Any, path: Path = ()) -> Iterator[tuple[str, Path]]:
    """`${{NAME}}`: stays as the text `${NAME}`; often left over from a template of the documentation."""
    for where, text in texts(data, path):
        for match in re.finditer(r"\$\{\{[^}!]*\}\}", text):
            yield match[0], where
