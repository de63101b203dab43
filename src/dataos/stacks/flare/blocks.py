"""The parts of a Flare stackSpec as people write them, and the list of what comes later (ch04 3)."""

from __future__ import annotations

import re
from typing import Any

from dataos.manifest.specs import Path, Reading, Spec, Text, spelled

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What may name a view."""


class Sizing(Spec):
    """`driver` and `executor`."""

    core_limit: Text | None = None
    """Most CPUs."""
    cores: Text | None = None
    """CPUs."""
    memory: Text | None = None
    """Memory, for instance `1000m`."""
    instances: Text | None = None
    """How many."""


class InputEntry(Spec):
    """One of `inputs`. Keys without use here are read so that they can be refused or ignored knowingly."""

    name: Text
    """Name under which SQL reads it."""
    dataset: Text | None = None
    """Address: `dataos://depot:collection/dataset?acl=r`."""
    query: Text | None = None
    """Statement that the source runs."""
    format: Text | None = None
    """Format of what is read."""
    is_stream: bool | None = None
    """Read as a stream; topics are where nothing else is said."""
    options: dict[str, Any] | None = None
    """Options of the reader."""
    schema_type: Text | None = None
    schema_path: Text | None = None
    schema_string: Text | None = None
    schema_text: Any = spelled(default=None, alias="schema")
    schema_subject: Text | None = None
    """Of `kafkaavro`: the registry's subject, `[topic]-value` where nothing is said."""
    schema_id: Text | None = None
    """Of `kafkaavro`: the registry's id of the schema that messages are read by."""
    driver: Text | None = None
    connection_props: Any = None
    sf_warehouse: Any = None
    incremental: Any = None
    input_type: Text | None = None


class SequenceEntry(Spec):
    """One of `steps[].sequence`."""

    name: Text
    """Name under which later steps read the result."""
    doc: Text = ""
    """What the step does."""
    sql: Text | None = None
    """SELECT statement (Spark SQL)."""
    sql_file: Text | None = None
    classpath: Text | None = None
    params: Any = None
    functions: Any = None
    """Functions applied to the result."""
    commands: tuple[Any, ...] = spelled("command", default=(), lone=True)
    output_type: Text | None = None
    output_options: Any = None
    save_mode: Text | None = None
    partition_by: Any = None


class OutputEntry(Spec):
    """One of `outputs`."""

    name: Text
    """Name of the step or input that is written."""
    dataset: Text | None = None
    """Address: `dataos://depot:collection/dataset?acl=rw`."""
    depot: Text | None = None
    """Old form of the address."""
    format: Text | None = spelled("type", "outputType", default=None)
    """Format of what is written."""
    driver: Text | None = None
    title: Text = ""
    """Title of the dataset."""
    description: Text = ""
    """Description of the dataset."""
    tags: tuple[Text, ...] = spelled("tag", default=(), lone=True)
    """Tags of the dataset."""
    column_tags: Any = spelled("columnTag", default=None)
    """Tags and texts of columns."""
    is_stream: bool = False
    checkpoint_location: Text | None = None
    """Of a stream: what its positions belong to."""
    assertions: Any = spelled("assertion", default=None)
    options: dict[str, Any] | None = None
    """Options of the writer: saveMode, partitions and more."""
    iceberg: dict[str, Any] | None = None


class JobBlock(Spec):
    """`job`."""

    explain: bool = False
    """Log the plan."""
    log_level: Text | None = spelled("loglevel", default=None)
    """How much is logged."""
    show_preview_lines: int | None = None
    """Log the first lines of each output."""
    inputs: tuple[InputEntry, ...] = spelled("input", default=(), lone=True)
    """What is read."""
    steps: tuple[Any, ...] = spelled("step", default=(), lone=True)
    """SQL from inputs to outputs."""
    outputs: tuple[OutputEntry, ...] = spelled("output", default=(), lone=True)
    """What is written."""
    assertions: Any = spelled("assertion", default=None)
    """Checks of the data."""
    streaming: Any = None
    """How a stream runs: triggerMode, checkpointLocation and more."""
    profile: Any = None
    """Statistics of the first input, and tags that its values suggest."""
    actions: Any = spelled("action", default=None)
    udfs: Any = spelled("udf", default=None)
    """Functions for the SQL of steps, in Python: name -> a lambda, or `{python, returnType}`."""
    program: Text | None = None
    """A Python program that reads the inputs and writes the outputs with PyFlare, in place of steps."""
    program_file: Text | None = None
    """The program's file."""
    variables: dict[str, Any] = {}
    rewrite_dataset: Any = None
    options: Any = None
    spark_conf: Any = spelled("sparkConfig", default=None)


class StackBlock(Spec):
    """The stackSpec itself."""

    driver: Sizing = spelled(default=Sizing())
    """Size of the driver."""
    executor: Sizing = spelled("executors", default=Sizing())
    """Size of the executors."""
    job: JobBlock | None = None
    """Inputs, steps and outputs."""
    spark_conf: Any = spelled("sparkConfig", default=None)
    """Spark properties."""
    configs: Any = None


LATER_INPUT = {
    "connection_props": "`connectionProps`",
    "sf_warehouse": "Snowflake",
    "input_type": "the standalone form `inputType`",
}
LATER_STEP = {
    "classpath": "a step in a class (`classpath`)",
    "params": "a step in a class (`params`)",
    "output_type": "a writer inside a step",
    "output_options": "a writer inside a step",
    "save_mode": "a writer inside a step",
    "partition_by": "a writer inside a step",
}
LATER_OUTPUT: dict[str, str] = {}


def refuse(entry: Spec, field: str, what: str, reading: Reading, path: Path) -> None:
    """An error if the entry says something in a field that is not built yet."""
    if getattr(entry, field):
        info = type(entry).model_fields[field]
        later(reading, (*path, info.alias or field), what)


def later(reading: Reading, path: Path, what: str, hint: str = "") -> None:
    """The one wording for what is not built yet."""
    reading.error(
        path,
        f"{what} comes in a later version",
        code="stack.unsupported",
        hint=hint or "leave it out for now; see docs/roadmap.md",
    )


def text_of(value: Any) -> str:
    """An option's value as text: booleans as `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
