"""The two engines that run Flare jobs, by name.

Sail is the embedded one, inside the job. Apache Spark is reached by address; it does what Sail cannot (`functions`,
`nodes`, `rewriting` know what that is), and gets SQL of the same guard without Sail's rewrites.
"""

from __future__ import annotations

from enum import StrEnum


class EngineName(StrEnum):
    """An engine."""

    SAIL = "sail"
    SPARK = "spark"


NEEDS_SPARK = "flare.needs_spark"
"""The code of what Apache Spark does and the embedded engine does not."""

ONLY_SPARK = "the embedded engine does not do this, Apache Spark does"
REMEDY = "or let Apache Spark run the job: docs/howto/use-apache-spark.md"


def with_remedy(hint: str) -> str:
    """A hint that ends with the other way."""
    return f"{hint}; {REMEDY}" if hint else REMEDY.removeprefix("or ")
