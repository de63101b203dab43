"""Native libraries do not take each other's exceptions."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from dataos.server import native
assert "duckdb" not in sys.modules and "_duckdb" not in sys.modules
{first}
import duckdb, pulsar
try:
    duckdb.sql("SELECT nothing")
except Exception as error:
    print(isinstance(error, duckdb.Error))
"""


def said(first: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(first=first)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_duckdbs_errors_are_its_own_beside_pulsars_client():
    assert said("native.load_in_order()") == "True"


def test_and_would_not_be_otherwise():
    """Where this fails, `native` is needed no more."""
    assert said("import duckdb") == "False"
