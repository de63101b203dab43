"""Files as text, ORC, Avro, XML and workbooks: values and types as Spark has them, faults by file and row (ch04 3.6).

What is said of Spark was taken from Apache Spark 4.1.4 reading the same files.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
import xlsxwriter
from msoffcrypto.format.ooxml import OOXMLFile
from pyarrow import orc

from integration.flare.helpers import Server, table
from integration.flare.test_inputs import Reader
from integration.flare.test_inputs import reader as reader

UTC = dt.UTC


def types(server: Server, name: str) -> dict[str, str]:
    return {f.name: str(f.field_type) for f in table(server, name).schema().fields if f.name != "__metadata"}


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (b"a\r\nb\rc\n\nd", {}, ["", "a", "b", "c", "d"]),
        (b"a\n", {}, ["a"]),
        (b"a\r", {}, ["a"]),
        (b"a|b\nc|", {"lineSep": "|"}, ["a", "b\nc"]),
        (b"a\r\nb\rc\n\nd", {"lineSep": "\\n"}, ["", "a\r", "b\rc", "d"]),
        (b"a\r\nb\n", {"wholetext": "true"}, ["a\r\nb\n"]),
        ("é".encode("latin-1"), {"encoding": "ISO-8859-1"}, ["é"]),
        (b"\xef\xbb\xbfa\n", {}, ["a"]),
    ],
)
def test_text(reader: Reader, content: bytes, options: dict[str, Any], expected: list[str]) -> None:
    assert reader.rows(reader.file("a.txt", content), format="text", **options) == [(v,) for v in expected]


def test_text_across_pieces(reader: Reader) -> None:
    lines = [f"{'x' * 1000}é{n}" for n in range(6000)]  # more than one piece of 4 MiB, whose edge cuts characters
    found = reader.rows(reader.file("a.txt", "\r\n".join(lines)), format="text")
    assert found == sorted(((line,) for line in lines), key=str)


def test_text_that_is_none_names_the_line(reader: Reader) -> None:
    problem = reader.fails(reader.file("a.txt", b"ok\ncaf\xe9\n"), format="text")
    assert "a.txt is not UTF-8: line 2 holds the byte 0xe9" in problem["message"]


# --- orc --------------------------------------------------------------------------------------------------------------


def orc_file(reader: Reader, name: str, content: pa.Table) -> Path:
    sink = io.BytesIO()
    orc.write_table(content, sink)
    return reader.file(name, sink.getvalue())


def test_orc(reader: Reader, server: Server) -> None:
    moment = dt.datetime(2024, 1, 2, 3, 4, 5, 123456)
    content = pa.table(
        {
            "id": pa.array([1, None], pa.int64()),
            "small": pa.array([1, None], pa.int16()),
            "dec": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
            "at": pa.array([moment, None], pa.timestamp("ns")),
            "day": pa.array([moment.date(), None], pa.date32()),
            "list": pa.array([[1, 2], None], pa.list_(pa.int32())),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
            "st": pa.array([{"x": 1, "y": "z"}, None], pa.struct([("x", pa.int32()), ("y", pa.string())])),
        }
    )
    found = reader.rows(orc_file(reader, "a.orc", content), format="ORC")
    row = (1, 1, Decimal("1.50"), moment.replace(tzinfo=UTC), moment.date(), [1, 2], [("k", 1)], {"x": 1, "y": "z"})
    assert found == [row, (None,) * 8] or found == [(None,) * 8, row]
    assert types(server, reader.table)["at"] == "timestamptz"  # as Spark reads ORC's timestamps


def test_orc_files_that_differ(reader: Reader) -> None:
    one = orc_file(reader, "a.orc", pa.table({"id": [1]}))
    two = orc_file(reader, "b.orc", pa.table({"id": [2], "more": ["x"]}))
    assert "b.orc has other columns than" in reader.fails(one, two, format="orc")["message"]
    assert reader.rows(one, two, format="orc", mergeSchema="true") == [(1, None), (2, "x")]


@pytest.mark.parametrize("kind", ["orc", "avro", "xlsx", "xml"])
@pytest.mark.parametrize("content", [b"", b"not at all such a file"])
def test_files_that_are_none(reader: Reader, kind: str, content: bytes) -> None:
    problem = reader.fails(reader.file(f"a.{kind}", content), format=kind)
    assert problem["code"] == "flare.file"
    assert f"a.{kind}" in problem["message"]
    assert ("is empty" in problem["message"]) == (not content)


# --- avro -------------------------------------------------------------------------------------------------------------

ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
        {"name": "amount", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "tags", "type": {"type": "map", "values": "string"}},
        {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "sku", "type": "string"}, {"name": "kind", "type": ["null", "Kind"]}]}}},
        {"name": "number", "type": ["int", "long"]},
        {"name": "either", "type": ["string", "boolean", "null"]},
    ],
}  # fmt: skip
MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def avro_file(reader: Reader, name: str, schema: Any, rows: list[dict[str, Any]], codec: str = "null") -> Path:
    sink = io.BytesIO()
    fastavro.writer(sink, fastavro.parse_schema(schema), rows, codec=codec)
    return reader.file(name, sink.getvalue())


def order(number: int) -> dict[str, Any]:
    return {
        "id": number, "kind": "A", "amount": Decimal("12.30"), "at": MOMENT, "local": MOMENT.replace(tzinfo=None),
        "day": MOMENT.date(), "clock": dt.time(1, 2, 3), "key": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
        "tags": {"a": "b"}, "lines": [{"sku": "x", "kind": "B"}], "number": 7, "either": True,
    }  # fmt: skip


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2"])
def test_avro(reader: Reader, server: Server, codec: str) -> None:
    """Types by Spark's table of conversions: enums are strings, times numbers, unions of several types structs."""
    found = reader.rows(avro_file(reader, "a.avro", ORDER, [order(1)], codec), format="avro")
    assert found == [
        (
            1, "A", Decimal("12.30"), MOMENT, MOMENT.replace(tzinfo=None), MOMENT.date(), 3_723_000,
            "6f9619ff-8b86-d011-b42d-00cf4fc964ff", [("a", "b")], [{"sku": "x", "kind": "B"}], 7,
            {"member0": None, "member1": True},
        )
    ]  # fmt: skip
    assert types(server, reader.table)["amount"] == "decimal(10, 2)"


def test_avro_read_as_another_schema(reader: Reader) -> None:
    """`avroSchema`: fields that the file lacks have their default, others are left out."""
    files = avro_file(reader, "a.avro", ORDER, [order(1)])
    wanted = {"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "double"}, {"name": "new", "type": "string", "default": "-"}]}  # fmt: skip
    assert reader.rows(files, format="avro", avroSchema=json.dumps(wanted)) == [(1.0, "-")]
    wanted["fields"] = [{"name": "first", "type": "long"}]
    assert (
        "does not go with `avroSchema`" in reader.fails(files, format="avro", avroSchema=json.dumps(wanted))["message"]
    )
    reader.table = "raw.avro_by_position"
    positional = {"avroSchema": json.dumps(wanted), "positionalFieldMatching": "true"}
    assert reader.rows(files, format="avro", **positional) == [(1,)]


def test_avro_that_ends_too_early_tells_the_rows_before(reader: Reader) -> None:
    whole = avro_file(reader, "a.avro", ORDER, [order(n) for n in range(5000)]).read_bytes()
    problem = reader.fails(reader.file("b.avro", whole[: len(whole) // 2]), format="avro")
    assert "b.avro is no whole Avro file after " in problem["message"]


# --- xml --------------------------------------------------------------------------------------------------------------

BOOKS = """<?xml version="1.0"?>
<books>
 <book id="b1" lang="en"><title>One</title><price>10.5</price><n>3</n><ok>true</ok><at>2024-01-02T03:04:05Z</at>
  <d>2024-01-02</d><empty/><auth><first>A</first><last>B</last></auth><tag>x</tag><tag>y</tag><note k="1">hello</note></book>
 <book id="b2"><title>  Two  </title><price>7</price><n>4</n><ok>false</ok><at>2024-01-02T03:04:05</at><d>2024-01-03</d>
  <empty></empty><auth><first>C</first></auth><tag>z</tag><note>plain</note>tail</book>
 <book id="b3"><title></title><zip>01234</zip><mix>1</mix><mix>a</mix><big>12345678901234567890</big></book>
</books>"""


def test_xml_as_spark_infers_it(reader: Reader, server: Server) -> None:
    found = reader.rows(reader.file("a.xml", BOOKS), format="xml", rowTag="book")
    kinds = types(server, reader.table)
    assert {k: kinds[k] for k in ("_id", "at", "big", "d", "n", "ok", "price", "zip", "title")} == {
        "_id": "string", "at": "timestamptz", "big": "double", "d": "date", "n": "long", "ok": "boolean",
        "price": "double", "zip": "long", "title": "string",
    }  # fmt: skip
    assert list(kinds) == sorted(kinds)
    rows = {r[1]: dict(zip(kinds, r, strict=True)) for r in found}
    at = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert rows["b1"] == {
        "_VALUE": None, "_id": "b1", "_lang": "en", "at": at, "auth": {"first": "A", "last": "B"}, "big": None,
        "d": dt.date(2024, 1, 2), "empty": "", "mix": None, "n": 3, "note": {"_VALUE": "hello", "_k": 1}, "ok": True,
        "price": 10.5, "tag": ["x", "y"], "title": "One", "zip": None,
    }  # fmt: skip
    assert rows["b2"] == {
        "_VALUE": "tail", "_id": "b2", "_lang": None, "at": at, "auth": {"first": "C", "last": None}, "big": None,
        "d": dt.date(2024, 1, 3), "empty": "", "mix": None, "n": 4, "note": {"_VALUE": "plain", "_k": None},
        "ok": False, "price": 7.0, "tag": ["z"], "title": "Two", "zip": None,
    }  # fmt: skip
    assert (rows["b3"]["title"], rows["b3"]["mix"], rows["b3"]["zip"], rows["b3"]["big"]) == (
        "", ["1", "a"], 1234, 12345678901234567890.0,
    )  # fmt: skip


def test_xml_with_a_schema(reader: Reader) -> None:
    entry = {
        "schemaString": "_id string, price decimal(10,2), tag array<string>, auth struct<first:string,last:string>"
    }
    found = reader.read(reader.file("a.xml", BOOKS), format="xml", entry=entry, rowTag="book")
    assert found.code == 0, found.log
    rows = table(reader.server, reader.table).scan().to_arrow().drop_columns(["__metadata"]).to_pylist()
    assert sorted(rows, key=str)[0] == {
        "_id": "b1", "price": Decimal("10.50"), "tag": ["x", "y"], "auth": {"first": "A", "last": "B"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("<r><x a='1'/><x a='2'/></r>", {}, [(1,), (2,)]),  # without rowTag: the children of the root
        ("<r><x a='1'>t</x></r>", {"excludeAttribute": "true"}, [("t",)]),
        ("<r/>", {}, "no rows"),
        ("<r><x/></r>", {"rowTag": "y"}, "no element <y>"),
        ("<r><x><a>1</a></x><x><a>b</a></x></r>", {}, [("1",), ("b",)]),
        ("<r><x><a>1</a></x></r>", {"inferSchema": "false"}, [("1",)]),
        ("<n:r xmlns:n='u'><n:x><n:a>1</n:a></n:x></n:r>", {"ignoreNamespace": "true", "rowTag": "x"}, [(1,)]),
        ("<r><x k='v'><a>1</a></x></r>", {"attributePrefix": "@"}, [("v", 1)]),
        (
            "<r><x><a k='1'>t</a></x><x><a>u</a></x></r>",
            {"valueTag": "text"},
            [({"_k": 1, "text": "t"},), ({"_k": None, "text": "u"},)],
        ),
        (f"<r><x>{'<a>' * 120}{'</a>' * 120}</x></r>", {}, "nested more than 100 levels deep"),
        ("<r><x><a>NA</a></x></r>", {"nullValue": "NA"}, [(None,)]),
        ("<r><x><a>é</a></x></r>".encode("latin-1"), {"charset": "ISO-8859-1"}, [("é",)]),
    ],
)
def test_xml_options(reader: Reader, content: str | bytes, options: dict[str, Any], expected: Any) -> None:
    file = reader.file("a.xml", content)
    if isinstance(expected, str):
        assert expected in reader.fails(file, format="xml", **options)["message"]
    else:
        assert reader.rows(file, format="xml", **options) == expected


BAD_XML = "<r><x><a>1</a></x>\n<x><a>2</b></x></r>"


def test_xml_that_is_not_well_formed(reader: Reader) -> None:
    file = reader.file("a.xml", BAD_XML)
    assert "a.xml: line 2: mismatched tag" in reader.fails(file, format="xml", rowTag="x")["message"]
    assert reader.rows(file, format="xml", rowTag="x", mode="DROPMALFORMED") == [(1,)]


def test_xml_values_that_are_none_of_the_schema(reader: Reader) -> None:
    file = reader.file("a.xml", "<r>\n<x><a>1</a></x>\n<x><a>b</a></x></r>")
    entry = {"schemaString": "a int"}
    done = reader.read(file, format="xml", entry=entry)
    assert "a.xml: row 2, line 3: `b` of <a> is no int32" in done.problem["message"]
    for mode, expected in (("PERMISSIVE", [1, None]), ("DROPMALFORMED", [1])):
        done = reader.read(file, format="xml", entry=entry, mode=mode)
        assert done.code == 0, done.log
        assert table(reader.server, reader.table).scan().to_arrow()["a"].to_pylist() == expected


def test_xml_entities_are_refused(reader: Reader) -> None:
    content = '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r><x><a>&a;</a></x></r>'
    assert "declares the entity `a`" in reader.fails(reader.file("a.xml", content), format="xml")["message"]


# --- workbooks --------------------------------------------------------------------------------------------------------


def workbook(reader: Reader, name: str, sheets: dict[str, list[list[Any]]]) -> Path:
    sink = io.BytesIO()
    book = xlsxwriter.Workbook(sink, {"default_date_format": "yyyy-mm-dd hh:mm:ss"})
    for title, rows in sheets.items():
        sheet = book.add_worksheet(title)
        for y, row in enumerate(rows):
            for x, value in enumerate(row):
                if isinstance(value, dt.datetime):
                    sheet.write_datetime(y, x, value)
                elif value is not None:
                    sheet.write(y, x, value)
    book.close()
    return reader.file(name, sink.getvalue())


SHEET = [
    ["id", "name", "", "at", "ok"],
    [1, "a", 1.5, dt.datetime(2024, 1, 2, 3, 4, 5), True],
    [],
    [2, None, 3, None, False],
]


def test_workbooks(reader: Reader, server: Server) -> None:
    file = workbook(reader, "a.xlsx", {"Orders": SHEET, "Other": [["x"], ["y"]]})
    texts = [("1", "a", "1.5", "2024-01-02 03:04:05", "true"), ("2", None, "3", None, "false")]
    assert reader.rows(file, format="xlsx") == texts
    reader.table = "raw.workbook_typed"
    typed = reader.rows(file, format="xlsx", inferSchema="true", sheetName="Orders")
    assert typed == [(1, "a", 1.5, dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), True), (2, None, 3.0, None, False)]
    assert list(types(server, reader.table)) == ["id", "name", "_c2", "at", "ok"]
    reader.table = "raw.workbook_other"
    assert reader.rows(file, format="xlsx", sheetName="Other") == [("y",)]
    reader.table = "raw.workbook_part"
    assert reader.rows(file, format="xlsx", dataAddress="'Orders'!A2:B4", header="false") == [("1", "a"), ("2", None)]
    problem = reader.fails(file, format="xlsx", sheetName="Order")
    assert ("has no sheet `Order`" in problem["message"], "Orders" in problem["hint"]) == (True, True)


def test_workbooks_of_a_folder(reader: Reader) -> None:
    one = workbook(reader, "a.xlsx", {"S": [["id", "b"], [1, 2]]})
    two = workbook(reader, "b.xlsx", {"S": [["b", "id"], [4, 3]]})
    mark = reader.file("~$a.xlsx", b"Excel has it open")
    assert reader.rows(one, two, mark, format="xlsx") == [("1", "2"), ("3", "4")]


def test_a_locked_workbook(reader: Reader) -> None:
    plain = workbook(reader, "a.xlsx", {"S": [["id"], [1]]})
    sink = io.BytesIO()
    with plain.open("rb") as file:
        OOXMLFile(file).encrypt("open sesame", sink)
    locked = reader.file("locked.xlsx", sink.getvalue())
    assert "locked.xlsx is locked by a password" in reader.fails(locked, format="xlsx")["message"]
    wrong = reader.fails(locked, format="xlsx", workbookPassword="s3cretGuess")
    assert "`workbookPassword` does not open it" in wrong["message"]
    assert "s3cretGuess" not in json.dumps(wrong)
    assert reader.rows(locked, format="xlsx", workbookPassword="open sesame") == [("1",)]


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content"),
    [("csv", "id\n1\n"), ("json", '{"id": "1"}\n'), ("text", "1\n"), ("xml", "<r><x id='1'/></r>")],
)
def test_options_that_nobody_knows_never_fail(reader: Reader, kind: str, content: str) -> None:
    """ch04 3.6: they are told of, once."""
    options = {
        "allowComments": "true",
        "columnNameOfCorruptRecord": "_c",
        "locale": "de",
        "noSuch": "1",
        "inferSchema": "false",
    }
    done = reader.read(reader.file(f"a.{kind}", content), format=kind, **options)
    assert done.code == 0, done.log
    assert done.log.count(f"the option `nosuch` has no effect on {kind} files") == 1


def test_json_primitives_as_strings(reader: Reader) -> None:
    file = reader.file("a.json", '{"a": 1.0, "b": {"date": true, "d": [1, 2]}, "s": "x"}\n')
    assert reader.rows(file, format="json", primitivesAsString="true") == [
        ("1.0", {"date": "true", "d": ["1", "2"]}, "x")
    ]


def test_lines_that_end_otherwise(reader: Reader) -> None:
    problem = reader.fails(reader.file("a.csv", "id|1|"), lineSep="|")
    assert (problem["code"], "format: text" in problem["hint"]) == ("stack.unsupported", True)
