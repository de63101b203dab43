"""What an idle server pays for."""

from __future__ import annotations

import subprocess
import sys


def test_the_catalog_is_there_without_heavy_libraries() -> None:
    program = (
        "import sys, dataos.lakehouse.catalog, dataos.lakehouse.rest, dataos.lakehouse.listing\n"
        "print([m for m in ('pyiceberg', 'pyarrow', 'duckdb', 'pandas', 'pyspark') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
