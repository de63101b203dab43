"""The author's functions, registered with the engine of a job.

They are made in a namespace of their own, so that they travel to a Spark's workers as code, without this package.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dataos.core.errors import fail
from dataos.stacks.flare.udfs import Udf

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_FRAME = re.compile(r'File "<udf (\w+)>", line ([0-9]+)')

_CHECK = """
def checked(function, name, kind, plain):
    def value_of(*arguments):
        value = function(*arguments)
        if value is None or plain is None:
            return value
        if plain == "STRING":
            return value if isinstance(value, str) else str(value)
        if isinstance(value, bool) != (plain == "BOOLEAN") or not isinstance(value, wanted[plain]):
            raise TypeError(f"the UDF `{name}` answered {value!r:.60}, which is no {kind}")
        return float(value) if plain in ("DOUBLE", "FLOAT") else value
    return value_of

import numbers
wanted = {"BOOLEAN": bool, "DOUBLE": numbers.Real, "FLOAT": numbers.Real,
          "TINYINT": int, "SMALLINT": int, "INT": int, "BIGINT": int}
"""
"""The engines make NULL of a value that is none of the declared type; a job should fail instead."""

_PLAIN = ("STRING", "BOOLEAN", "DOUBLE", "FLOAT", "TINYINT", "SMALLINT", "INT", "BIGINT")


def register(session: SparkSession, udfs: tuple[Udf, ...]) -> None:
    """Let SQL of the session call them. Raises DataOSError `flare.udf` where the source itself fails."""
    for udf in udfs:
        space: dict[str, Any] = {"__name__": "__main__"}
        try:
            code = compile(udf.source, f"<udf {udf.name}>", "eval" if udf.entry is None else "exec")
            made = eval(code, space)  # noqa: S307 - the author's code: that is what the sandbox is for
            function = made if udf.entry is None else space[udf.entry]
        except Exception as error:
            text = f"the UDF `{udf.name}` cannot be made: {type(error).__name__}: {error}"
            raise fail("flare.udf", text[:400], hint="modules that it imports must be installed with DataOS") from error
        guard: dict[str, Any] = {"__name__": "__main__"}
        exec(_CHECK, guard)  # noqa: S102 - our own text
        plain = udf.returns if udf.returns in _PLAIN else None
        session.udf.register(udf.name, guard["checked"](function, udf.name, udf.returns, plain), udf.returns.lower())


def explain(text: str) -> tuple[str, str] | None:
    """(what failed, hint) of an engine's message, if a function of the author's raised it."""
    if "Error from python worker" in text:
        return (
            "Apache Spark has no Python for the job's UDFs",
            "give its workers a Python with PySpark (PYSPARK_PYTHON)",
        )
    if not any(sign in text for sign in ("pyspark/worker.py", 'File "<udf ', "TypeError: the UDF `")):
        return None
    cause = _cause(text)
    frames = _FRAME.findall(text)
    where = f"the UDF `{frames[-1][0]}`, line {frames[-1][1]}: " if frames else "a UDF: "
    if cause.startswith("TypeError: the UDF `"):
        where, cause = "", cause.removeprefix("TypeError: ")
    hint = "a value may be NULL: `None if value is None else ...`" if "NoneType" in cause else "correct `udfs`"
    return f"{where}{cause}"[:400], hint


def _cause(text: str) -> str:
    """The error of a traceback: the first line below its frames that is not indented."""
    below = text[text.rfind('  File "') :].splitlines()[1:]
    return next((line.strip() for line in below if line.strip() and not line.startswith(" ")), "it failed")
