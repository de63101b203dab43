"""`python -m dataos.stacks.flare.driver.upkeep`: rewrite one table as `config/upkeep.json` says, exit 0 or 1.

The server starts it for `dataos dataset compact` (dataos.workloads.compactions). It talks as the user who asked.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyiceberg.catalog import load_catalog

from dataos.client.api import Client
from dataos.client.connections import Connection
from dataos.core.errors import DataOSError, Problem
from dataos.core.secrecy import Secret
from dataos.stacks.flare.actions import Options
from dataos.stacks.flare.driver.forwarder import Forwarder
from dataos.stacks.flare.driver.output import RESULT_FILE, Log
from dataos.stacks.flare.driver.upkeep import actions, rewriting

_TRIES = 3


def main() -> int:
    """Rewrite the table of this process's configuration; the result goes into the out folder."""
    out = Path(os.environ["DATAOS_OUT_DIR"])
    body: dict[str, Any] = json.loads((Path(os.environ["DATAOS_CONFIG_DIR"]) / "upkeep.json").read_text())
    token = Secret((Path(os.environ["DATAOS_SECRET_DIR"]) / "token").read_text().strip())
    log = Log()
    forwarder = Forwarder(os.environ["DATAOS_SERVER_SOCKET"])
    answer: dict[str, Any]
    try:
        answer = {"result": _rewrite(body, forwarder.url, token, log.info)}
    except DataOSError as error:
        log.error(str(error))
        answer = {"problems": [p.to_json() for p in error.problems]}
    except Exception as error:  # noqa: BLE001 - the boundary of the program
        problem = Problem("dataset.rewrite", f"the rewrite failed: {type(error).__name__}: {str(error)[:300]}")
        log.error(problem.message)
        answer = {"problems": [problem.to_json()]}
    finally:
        forwarder.close()
    (out / RESULT_FILE).write_text(json.dumps(answer))
    return 0 if "result" in answer else 1


def _rewrite(body: Mapping[str, Any], server: str, token: Secret, say: Callable[[str], None]) -> dict[str, Any]:
    catalog = load_catalog(
        "dataos", type="rest", uri=f"{server}/iceberg", warehouse=body["warehouse"], token=token.reveal()
    )
    client = Client(Connection(server, token, "the server that started this program"), timeout_s=600)
    scratch = Path(os.environ["DATAOS_TEMP_DIR"])
    options = Options(**body["options"], memory_bytes=int(body["memory_bytes"]) // 2, scratch=scratch)

    commit = actions.committer(str(body["address"]), client)
    tries = 0
    while True:
        tries += 1
        table = catalog.load_table((*body["namespace"], body["table"]))
        try:
            return rewriting.rewrite(table, options, commit, say, dry_run=bool(body["dry_run"])).to_json()
        except DataOSError as error:
            if error.problem.code != "iceberg.conflict" or tries == _TRIES:
                raise
            say(f"once more: {error}")


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads of libraries need no farewell
