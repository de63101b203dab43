"""Files read and written by Flare's own programs beside Apache Spark's: the same rows and types (ch04 3.6).

Avro is not here: it is no part of Spark's own distribution.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql.connect.session import SparkSession

from dataos.stacks.flare.driver.formats import model, orcfiles, text, xmlfiles
from integration.flare.test_file_formats import BOOKS

EVERYTHING = """
    SELECT *, if(i IS NULL, NULL, named_struct('x', i, 'y', s)) AS r FROM (
      SELECT 1 AS i, CAST(2 AS BIGINT) AS l, 'a' AS s, CAST(1.5 AS DECIMAL(10, 2)) AS m, true AS b, DATE'2024-01-02' AS d,
        TIMESTAMP'2024-01-02 03:04:05.123' AS t, array('x', 'y') AS a, CAST(3 AS TINYINT) AS ti, CAST(4 AS SMALLINT) AS si,
        CAST(1.5 AS DOUBLE) AS f
      UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""


@pytest.fixture
def session(spark: str) -> Iterator[Any]:
    made: Any = SparkSession.builder.remote(spark).create()
    made.conf.set("spark.sql.session.timeZone", "UTC")
    yield made
    made.stop()


def ours(form: Any, files: list[Path], schema: str | None = None, **options: str) -> pa.Table:
    content = form.read(model.Wanted([str(f) for f in files], options, schema, print))
    return pa.Table.from_batches(list(content.batches), content.schema)


def plain(value: Any) -> Any:
    """Values without what differs in form only: zones of moments, lists of pairs for maps."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def rows(table: pa.Table) -> list[Any]:
    return sorted((plain(r) for r in table.to_pylist()), key=str)


def theirs(frame: Any) -> list[Any]:
    return rows(frame.toArrow())


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (BOOKS, {}),
        (BOOKS, {"inferSchema": "false"}),
        (BOOKS, {"excludeAttribute": "true"}),
        (BOOKS, {"attributePrefix": "@", "valueTag": "text"}),
        (BOOKS, {"nullValue": "One"}),
        ("<r><book><a>1</a></book><book><a>1.5</a></book><book><a/></book></r>", {}),
        ("<r><book><a>1</a></book><book><a><b>2</b></a></book></r>", {}),
        ("<r><book><a><c k='v'>x</c>t</a></book><book><a>1</a></book></r>", {}),
        ("<r><book><a k='v'/></book><book><a>1</a></book></r>", {}),
        ("<r><book><a k='v'>2</a></book><book><a>1</a></book></r>", {}),
        ("<r><book><a>1</a><a>x</a></book><book><a>2</a></book></r>", {}),
        ("<r><book><a>true</a><b>TRUE</b><c>-5</c><d>1e3</d><e>+7</e></book></r>", {}),
        ("<r><book><a>2024-02-30</a><b>2024-02-28</b><c>2024-02-28T10:00:00+02:00</c></book></r>", {}),
        ("<n:r xmlns:n='u'><book><n:a n:k='v'>1</n:a></book></n:r>", {"ignoreNamespace": "true"}),
        ("<r><book><a><![CDATA[x < y]]></a><b>&lt;&#65;</b></book></r>", {}),
    ],
)  # fmt: skip
def test_xml_is_read_alike(session: Any, tmp_path: Path, content: str, options: dict[str, str]) -> None:
    file = tmp_path / "a.xml"
    file.write_text(content)
    frame = session.read.format("xml").options(rowTag="book", **options).load(str(file))
    found = ours(xmlfiles, [file], rowtag="book", **{k.lower(): v for k, v in options.items()})
    assert found.column_names == frame.columns
    assert rows(found) == theirs(frame)
    assert [str(f.type) for f in found.schema] == [str(f.type) for f in _normal(frame.toArrow().schema)]


def _normal(schema: pa.Schema) -> pa.Schema:
    def kind(node: Any) -> Any:
        if pa.types.is_timestamp(node):
            return pa.timestamp("us", tz="UTC")
        if pa.types.is_list(node):
            return pa.list_(kind(node.value_type))
        if pa.types.is_struct(node):
            return pa.struct([(node.field(i).name, kind(node.field(i).type)) for i in range(node.num_fields)])
        return node

    return pa.schema([(f.name, kind(f.type)) for f in schema])


def test_orc_both_ways(session: Any, tmp_path: Path) -> None:
    frame = session.sql(EVERYTHING)
    frame.coalesce(1).write.orc(str(tmp_path / "spark"))
    files = sorted((tmp_path / "spark").glob("*.orc"))
    found = ours(orcfiles, files)
    assert rows(found) == theirs(frame)
    assert [str(f.type) for f in found.schema] == [str(f.type) for f in _normal(frame.toArrow().schema)]
    (tmp_path / "ours").mkdir()
    assert orcfiles.write(iter(found.to_batches()), found.schema, tmp_path / "ours" / "x.orc", {}, "snappy") == 2
    back = session.read.orc(str(tmp_path / "ours"))
    assert theirs(back) == theirs(frame)
    assert dict(back.dtypes) == dict(frame.dtypes)


def test_xml_both_ways(session: Any, tmp_path: Path) -> None:
    frame = session.sql(EVERYTHING)
    frame.coalesce(1).write.format("xml").option("rowTag", "row").save(str(tmp_path / "spark"))
    (file,) = (tmp_path / "spark").glob("*.xml")
    ddl = "i int, l bigint, s string, m decimal(10, 2), b boolean, d date, t timestamp, a array<string>, ti tinyint, si smallint, f double, r struct<x: int, y: string>"
    found = ours(xmlfiles, [file], ddl, rowtag="row")
    assert rows(found) == theirs(frame)
    target = tmp_path / "ours.xml"
    xmlfiles.write(iter(found.to_batches()), found.schema, target, {"rowtag": "row"}, "none")
    assert target.read_text().split() == file.read_text().split()
    assert theirs(session.read.schema(ddl).format("xml").option("rowTag", "row").load(str(target))) == theirs(frame)


@pytest.mark.parametrize("options", [{}, {"lineSep": "\n"}, {"lineSep": "|"}, {"wholetext": "true"}])
def test_text_is_read_alike(session: Any, tmp_path: Path, options: dict[str, str]) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("a|b\r\nc\rd\n\né|".encode())
    found = ours(text, [file], **{k.lower(): v for k, v in options.items()})
    reader = session.read.options(**{k: v for k, v in options.items() if k != "wholetext"})
    frame = reader.text(str(file), wholetext="wholetext" in options)
    assert rows(found) == theirs(frame)
