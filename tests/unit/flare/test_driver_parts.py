"""Parts of the driver that need no engine: types, places in SQL, engine messages, folders, lineage, tables in the log."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from dataos.core.errors import DataOSError
from dataos.stacks.flare.driver import csvfiles, lineage, partitions, problems, schemas
from dataos.stacks.flare.driver.output import Log, Result, table


class Kind:
    """An engine type, as far as `schemas` looks at it."""

    def __init__(self, simple: str, **parts: Any) -> None:
        self._simple = simple
        self.__dict__.update(parts)

    def simpleString(self) -> str:
        return self._simple

    def typeName(self) -> str:
        return self._simple.split("(")[0].split("<")[0]


def decimal(precision: int, scale: int) -> Kind:
    return Kind(f"decimal({precision},{scale})", precision=precision, scale=scale)


LONGS = Kind("array<bigint>", elementType=Kind("bigint"))
INTS = Kind("array<int>", elementType=Kind("int"))
LIST_OF_LONG = {"type": "list", "element-id": 2, "element": "long", "element-required": False}

ASSIGNMENTS: list[tuple[Kind, Any, str | None]] = [
    (Kind("int"), "int", ""), (Kind("int"), "long", "BIGINT"), (Kind("bigint"), "int", None),
    (Kind("tinyint"), "int", "INT"), (Kind("float"), "double", "DOUBLE"), (Kind("double"), "float", None),
    (Kind("bigint"), "double", None), (Kind("string"), "int", None), (Kind("int"), "string", "STRING"),
    (Kind("date"), "timestamptz", "TIMESTAMP"), (Kind("timestamp"), "timestamp", "TIMESTAMP_NTZ"),
    (Kind("timestamp"), "date", None), (Kind("string"), "timestamptz", None), (Kind("string"), "boolean", None),
    (Kind("void"), "long", "BIGINT"), (Kind("binary"), "string", None), (Kind("string"), "binary", None),
    (decimal(10, 2), "decimal(10, 2)", ""), (decimal(8, 2), "decimal(10,2)", "DECIMAL(10,2)"),
    (decimal(10, 3), "decimal(10, 2)", None), (Kind("int"), "decimal(10, 0)", "DECIMAL(10,0)"),
    (Kind("int"), "decimal(10, 2)", None), (decimal(10, 2), "string", "STRING"), (decimal(10, 2), "double", None),
    (LONGS, LIST_OF_LONG, ""), (INTS, LIST_OF_LONG, "ARRAY<BIGINT>"), (LONGS, "long", None), (Kind("int"), LIST_OF_LONG, None),
    (Kind("map<string,int>", keyType=Kind("string"), valueType=Kind("int")),
     {"type": "map", "key": "string", "value": "int"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "target", "verdict"), ASSIGNMENTS)
def test_store_assignment(kind: Kind, target: Any, verdict: str | None) -> None:
    assert schemas.assignable(kind, target) == verdict


def test_field_ids_are_given_once() -> None:
    columns = [
        ("a", Kind("int")),
        ("b", LONGS),
        ("c", Kind("map<string,int>", keyType=Kind("string"), valueType=Kind("int"))),
    ]
    fields = schemas.iceberg_fields(columns, [0])
    assert [f["id"] for f in fields] == [1, 2, 3]
    assert fields[1]["type"]["element-id"] == 4
    assert (fields[2]["type"]["key-id"], fields[2]["type"]["value-id"]) == (5, 6)


def test_types_without_a_place_in_iceberg() -> None:
    for name in ("void", "interval day to second", "variant"):
        with pytest.raises(DataOSError):
            schemas.iceberg_type(Kind(name), [0])


TRANSFORMS = [
    ("identity", "string", True), ("identity", "array<int>", False), ("month", "date", True), ("month", "string", False),
    ("hour", "date", False), ("hour", "timestamp", True), ("bucket", "bigint", True), ("bucket", "double", False),
    ("bucket", "decimal(10,2)", True), ("year", "timestamp_ntz", True),
]  # fmt: skip


@pytest.mark.parametrize(("transform", "kind", "fits"), TRANSFORMS)
def test_partition_transforms_fit_types(transform: str, kind: str, fits: bool) -> None:
    assert schemas.can_transform(transform, kind) is fits


MESSAGES = [
    (
        'attribute ObjectName([Identifier("nmae")]) is missing from the schema: x',
        "flare.unknown_column",
        "no column `nmae`",
    ),
    (
        'attribute ObjectName([Identifier("t"), Identifier("a")]) is missing from the schema',
        "flare.unknown_column",
        "`t.a`",
    ),
    ("Cannot cast string 'abc' to value of Int32 type", "flare.cast", "the text 'abc' cannot be cast to int"),
    (
        '[CAST_INVALID_INPUT] The value \'x\' of the type "STRING" cannot be cast to "DATE" because',
        "flare.cast",
        "'x' cannot be cast to date",
    ),
    (
        "Cannot coerce arithmetic expression Int32 + Utf8 to valid types",
        "flare.types",
        "no arithmetic between Int32 + Utf8",
    ),
    ("Arrow error: Divide by zero error", "flare.arithmetic", "division by zero"),
    ("Failed to allocate additional 255.0 KB for HashJoinInput[1]", "flare.memory", "ran out of memory"),
    ("No space left on device", "flare.disk", "the disk is full"),
    ('task 3 panicked with message "x"', "flare.engine", "broke off"),
    ("something\nnew\n\nJVM stacktrace:\nat x", "flare.engine", "something new"),
]


@pytest.mark.parametrize(("raw", "code", "message"), MESSAGES)
def test_engine_messages(raw: str, code: str, message: str) -> None:
    found = problems.explain(RuntimeError(raw), "step x", ["name"])
    assert found[0] == code
    assert message in found[1]


def test_engine_messages_are_cut() -> None:
    assert len(problems.first_line("x " * 5000)) <= 400


PLACES = [
    ("SELECT a,\n  b FROM t", "b", {"line": 2, "column": 3}),
    ("SELECT 'b', \"b\", b FROM t", "b", {"line": 1, "column": 18}),
    ("-- b\nSELECT /* b */ `b`", "b", {"line": 2, "column": 16}),
    ("SELECT ab, B", "b", {"line": 1, "column": 12}),
    ("SELECT a", "b", {}),
]


@pytest.mark.parametrize(("text", "name", "place"), PLACES)
def test_places_of_names(text: str, name: str, place: dict[str, int]) -> None:
    assert problems.locate(text, name) == place


def test_partition_folders() -> None:
    groups = partitions.split(["/b/y=2024/m=1/a", "/b/y=2024/m=02/b", "/b/y=2023/m=x%2Fy/c"], "/b")
    assert (groups.keys, groups.types) == (("y", "m"), ("INT", "STRING"))
    assert groups.members[("2023", "x/y")] == ["/b/y=2023/m=x%2Fy/c"]
    assert partitions.split(["/x=1/b/a.csv"], "/x=1/b").keys == ()
    assert partitions.split(["/b/d=2024-01-05/a", "/b/d=__HIVE_DEFAULT_PARTITION__/a"], "/b").types == ("DATE",)
    assert partitions.split(["/b/n=5000000000/a"], "/b").types == ("BIGINT",)


def test_columns_of_files(tmp_path: Path) -> None:
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("id,name\n1,a\n")
    two.write_text("name,id,x\na,1,2\n")
    facts = [csvfiles.look(str(f), csvfiles.Dialect()) for f in (one, two)]
    assert [f.rows for f in facts] == [1, 1]
    with pytest.raises(DataOSError, match="additional x"):
        csvfiles.same_columns(facts, merge=False)
    assert csvfiles.same_columns(facts, merge=True) == ("id", "name", "x")


def test_an_utf8_character_over_the_edge_of_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfiles, "_PIECE", 7)
    file = tmp_path / "a.csv"
    for text in ("id,n\n1,€€€€\n2,x\n", 'id,n\n1,"a\nb"\n', "id,n\r\n1,a\r\n\r\n2,b\r\n", 'id,n\n1,"a""b"\n'):
        for cut in range(1, 9):
            monkeypatch.setattr(csvfiles, "_PIECE", cut)
            file.write_bytes(text.encode())
            whole = csvfiles.look(str(file), csvfiles.Dialect())
            monkeypatch.setattr(csvfiles, "_PIECE", 1 << 20)
            assert csvfiles.look(str(file), csvfiles.Dialect()) == whole, (text, cut)


def test_lineage() -> None:
    inputs = {"orders": ["id", "city", "amount"], "stores": ["city", "name"]}
    steps = {
        "clean": "SELECT id, upper(city) AS town, amount FROM orders WHERE amount > 0",
        "final": "SELECT c.id, s.name, c.amount * 2 AS twice, 1 AS one FROM clean c LEFT JOIN stores s ON c.town = s.city",
    }
    reads = {"clean": ("orders",), "final": ("clean", "stores")}
    found = {e["column"]: e for e in lineage.trace("final", ["id", "name", "twice", "one"], steps, reads, inputs)}
    assert found["id"]["inputs"] == [{"input": "orders", "column": "id"}]
    assert found["name"]["inputs"] == [{"input": "stores", "column": "name"}]
    assert found["twice"]["inputs"] == [{"input": "orders", "column": "amount"}]
    assert found["one"]["inputs"] == []
    assert all(e["resolved"] for e in found.values())


def test_unresolved_lineage_names_everything_below() -> None:
    inputs = {"orders": ["id"], "stores": ["city"]}
    (entry,) = lineage.trace("v", ["x"], {"v": "SELECT nonsense( FROM"}, {"v": ("orders",)}, inputs)
    assert (entry["resolved"], entry["inputs"]) == (False, [{"input": "orders", "column": "id"}])


def test_tables_in_the_log() -> None:
    shown = table(("a", "bb"), [(1, None), ("x" * 50, "l\nine")])
    assert shown.splitlines()[1].startswith("| a ")
    assert "NULL" in shown
    assert "..." in shown
    assert "l\\nine" in shown


def test_log_levels() -> None:
    stream = io.StringIO()
    log = Log("WARN", stream)
    log.info("no")
    log.block("no")
    log.warning("yes")
    assert "no" not in stream.getvalue()
    assert "WARN  yes" in stream.getvalue()


def test_the_result_is_whole_or_absent(tmp_path: Path) -> None:
    result = Result(outputs=[{"rows": 1}])
    result.write(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_a_spark_without_s3_is_told_what_it_lacks() -> None:
    raw = (
        "Job aborted due to stage failure: org.apache.iceberg.exceptions.RuntimeIOException: Failed to get file system "
        "for path: s3://tables/prod/orders/data/1.parquet at org.apache.iceberg.hadoop.Util.getFs"
    )
    code, message, _, hint = problems.explain(RuntimeError(raw), "run", ())
    assert code == "flare.spark_setup"
    assert "no S3" in message
    assert "iceberg-aws-bundle" in hint
