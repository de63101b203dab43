"""Step functions on the real engine, values compared (ch04 4; ch04-AS12)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from dataos.core.errors import DataOSError
from dataos.core.secrecy import Secret
from dataos.core.sparkaddresses import SparkAddress
from dataos.manifest.specs import Reading
from dataos.stacks.flare import sql
from dataos.stacks.flare.driver import engine as engines
from dataos.stacks.flare.driver.engine import Engine
from dataos.stacks.flare.stepfunctions import reading
from dataos.stacks.flare.stepfunctions.model import Frame

ABSENT = object()


class Bench:
    """Applies step functions to small frames, as a job does."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.count = 0

    def apply(self, data: str, *calls: dict[str, Any]) -> list[dict[str, Any]]:
        """Rows of `SELECT * FROM <data>` after the functions."""
        found = Reading()
        read = reading.read(list(calls), found, ())
        assert not found.problems, found.problems
        view = self._view(f"SELECT * FROM {data}")
        for call in read:
            frame = Frame(view, dict(self.engine.sql(f"SELECT * FROM {view}").dtypes))
            text = reading.FUNCTIONS[call.name].render(call, frame, self._ask)
            view = self._view(sql.check(text, [view], engine=self.engine.name).text)
        return [row.asDict(recursive=True) for row in self.engine.sql(f"SELECT * FROM {view}").collect()]

    def types(self) -> dict[str, str]:
        """Types of the last frame."""
        return dict(self.engine.sql(f"SELECT * FROM v{self.count}").dtypes)

    def one(self, data: str, *calls: dict[str, Any]) -> dict[str, Any]:
        """The only row."""
        (row,) = self.apply(data, *calls)
        return row

    def _view(self, text: str) -> str:
        self.count += 1
        self.engine.sql(text).createOrReplaceTempView(f"v{self.count}")
        return f"v{self.count}"

    def _ask(self, query: str) -> list[Any]:
        return [row[0] for row in self.engine.run(sql.check(query, [f"v{self.count}"], engine=self.engine.name).text)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, spark_address: str | None) -> Iterator[Bench]:
    engine = engines.start(
        "http://127.0.0.1:9",
        Secret("x"),
        [],
        threads=2,
        memory_bytes=0,
        scratch=tmp_path_factory.mktemp("s"),
        spark=SparkAddress.parse(spark_address) if spark_address else None,
    )
    yield Bench(engine)
    engine.close()


def text(value: str) -> str:
    """One row with the column `t`."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"VALUES ('{escaped}') AS d(t)"


# --- one function, one value -------------------------------------------------------------------------------------------

CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("constant int", text("a"), {"name": "add_column", "column": "n", "value": 5, "type": "int"}, {"n": 5}),
    (
        "constant date",
        text("a"),
        {"name": "add_column", "column": "d", "value": "2020-01-02", "type": "date"},
        {"d": dt.date(2020, 1, 2)},
    ),
    ("set", text("a"), {"name": "set_column", "column": "t", "value": "it's"}, {"t": "it's"}),
    ("copy", text("a"), {"name": "copy", "fromColumn": "t", "toColumn": "u"}, {"t": "a", "u": "a"}),
    ("upper", text("aB"), {"name": "change_case", "column": "t", "case": "uppercase"}, {"t": "AB"}),
    ("title", text("jOHN o-neil"), {"name": "change_case", "column": "T", "case": "title"}, {"t": "John O-neil"}),
    (
        "cut",
        text("2019-02-17"),
        {"name": "cut_character", "column": "t", "asColumn": "y", "startIndex": 1, "endIndex": "4"},
        {"y": "2019"},
    ),
    ("md5", text("1-877-267-2323"), {"name": "hash", "column": "t", "algo": "MD5"},
     {"t": "75cb2eeea30b8b577e33ca26e8a308c8"}),
    ("sha1", text("a"), {"name": "hash", "column": "t", "algo": "sha-1"},
     {"t": "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"}),
    ("sha256", text("a"), {"name": "hash", "column": "t", "algo": "SHA-256"},
     {"t": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}),
    ("base32", text("21244"), {"name": "encode", "algo": "base32", "column": "t", "asColumn": "e"}, {"e": "GIYTENBU"}),
    ("base32 padded", text("hello!"), {"name": "encode", "algo": "base32", "column": "t", "asColumn": "e"},
     {"e": "NBSWY3DPEE======"}),
    ("base32 back", text("NBSWY3DPEE======"), {"name": "decode", "algo": "base32", "column": "t", "asColumn": "e"},
     {"e": "hello!"}),
    ("base32 of nothing", text(""), {"name": "encode", "algo": "base32", "column": "t", "asColumn": "e"}, {"e": ""}),
    ("no base32", text("1890"), {"name": "decode", "algo": "base32", "column": "t", "asColumn": "e"}, {"e": None}),
    ("base64", text("héllo"), {"name": "encode", "algo": "base64", "column": "t", "asColumn": "e"}, {"e": "aMOpbGxv"}),
    ("base64 back", text("aMOpbGxv"), {"name": "decode", "algo": "BASE64", "column": "t", "asColumn": "e"},
     {"e": "héllo"}),
    ("hex", text("Az"), {"name": "encode", "algo": "hex", "column": "t", "asColumn": "e"}, {"e": "417a"}),
    ("hex back", text("417a"), {"name": "decode", "algo": "hex", "column": "t", "asColumn": "e"}, {"e": "Az"}),
    ("mask", text("000-12-3251"), {"name": "mask_number", "column": "t", "pattern": "XXX-XX-####"},
     {"t": "XXX-XX-3251"}),
    ("sed", text("$1,234.50"), {"name": "find_and_replace", "column": "t", "sedExpression": "s/[$,]//g"},
     {"t": "1234.50"}),
    ("sed first", text("a-b-c"), {"name": "find_and_replace", "column": "t", "sedExpression": "s/-/+/"}, {"t": "a+b-c"}),
    ("sed groups", text("2020-01"), {"name": "find_and_replace", "column": "t",
                                      "sedExpression": r"s/([0-9]+)-([0-9]+)/\2x\1/g"}, {"t": "01x2020"}),
    ("sed first, with groups, dollars and the whole", text("ab ab"), {"name": "find_and_replace", "column": "t",
                                                                       "sedExpression": r"s/(a)(b)/$.\2<&>/"},
     {"t": "$.b<ab> ab"}),
    ("sed, a digit after a group", text("ab"), {"name": "find_and_replace", "column": "t",
                                                 "sedExpression": r"s/(a)/\15/g"}, {"t": "a5b"}),
    ("trim", text("  a "), {"name": "trim", "column": "t", "method": "ltrim"}, {"t": "a "}),
    ("epoch", "VALUES ('1583039258') AS d(t)", {"name": "epoch_to_timestamp", "column": "t", "asColumn": "w"},
     {"w": dt.datetime(2020, 3, 1, 5, 7, 38)}),
    ("epoch with a fraction", "VALUES (1583039258.25D) AS d(t)",
     {"name": "epoch_to_timestamp", "column": "t", "asColumn": "w"}, {"w": dt.datetime(2020, 3, 1, 5, 7, 38, 250000)}),
    ("unix date", "VALUES (1583039258L) AS d(t)", {"name": "format_unix_date", "column": "t", "format": "yyyy/MM/dd HH:mm"},
     {"t": "2020/03/01 05:07"}),
    ("format", text("17 Feb 2019"), {"name": "format_date", "column": "t", "refformat": "dd.MM.yyyy"},
     {"t": "17.02.2019"}),
    ("diff", "VALUES ('2020-03-01', date'2019-02-24') AS d(a, b)",
     {"name": "diff_date", "columnA": "a", "columnB": "b", "asColumn": "n"}, {"n": 371}),
    ("kolkata", text("2020-03-01T05:07:38Z"),
     {"name": "any_timestamp", "column": "t", "asColumn": "w", "timezone": "Asia/Kolkata"},
     {"w": dt.datetime(2020, 3, 1, 10, 37, 38)}),
    ("offset", text("2020-03-01 05:07:38.5 +0530"), {"name": "any_timestamp", "column": "t", "asColumn": "w"},
     {"w": dt.datetime(2020, 2, 29, 23, 37, 38, 500000)}),
    ("afternoon", text("01/03/2020 05:07 pm"), {"name": "any_timestamp", "column": "t", "asColumn": "w"},
     {"w": dt.datetime(2020, 3, 1, 17, 7)}),
    ("no time", text("nonsense"), {"name": "any_timestamp", "column": "t", "asColumn": "t"}, {"t": None}),
    ("own rule", text("on 5 of 7 in 2021"), {"name": "any_date", "column": "t", "asColumn": "d", "rule": [
        "【^on (?<day>[0-9]+) of (?<month>[0-9]+) in (?<year>[0-9]{4})$】"]}, {"d": dt.date(2021, 7, 5)}),
    ("html", text("<p>Tom &amp; <b>Jerry</b></p><script>x()</script>&lt;3"),
     {"name": "parse_html", "column": "t"}, {"t": "Tom & Jerry <3"}),
    ("email", text("jane.doe@shop.example"), {"name": "split_email", "column": "t"},
     {"t_account": "jane.doe", "t_domain": "shop.example"}),
    ("no email", text("jane"), {"name": "split_email", "column": "t"}, {"t_account": None, "t_domain": None}),
    ("url", text("https://u@shop.example:8443/a/b.html?x=1&y=2#f"), {"name": "split_url", "column": "t"},
     {"t_protocol": "https", "t_authority": "u@shop.example:8443", "t_host": "shop.example", "t_port": 8443,
      "t_path": "/a/b.html", "t_filename": "/a/b.html?x=1&y=2", "t_query": "x=1&y=2"}),
    ("bare url", text("http://shop.example"), {"name": "split_url", "column": "t"},
     {"t_host": "shop.example", "t_port": None, "t_path": "", "t_query": None}),
    ("no url", text("no url"), {"name": "split_url", "column": "t"}, {"t_protocol": None, "t_path": None}),
    ("url column away", text("x"), {"name": "split_url", "column": "u"}, {"t": "x", "u_host": None, "u_port": None}),
    ("merge", "VALUES ('a', 1, CAST(NULL AS STRING)) AS d(x, y, z)",
     {"name": "merge", "columns": ["x", "y", "z"], "separator": "-", "asColumn": "m"}, {"m": "a-1"}),
    ("variable", "VALUES (2, 3) AS d(a, b)", {"name": "set_variable", "column": "c", "expression": "a * 10 + b"},
     {"c": 23}),
    ("increment", "VALUES (2) AS d(a)", {"name": "increment_variable", "column": "a"}, {"a": 3}),
    ("rename", "VALUES (1, 2) AS d(a, b)", {"name": "rename", "column": "A", "asColumn": "x"}, {"x": 1, "b": 2}),
    ("rename all", "VALUES (1, 2) AS d(a, b)", {"name": "rename_all", "columns": {"a": "b", "b": "a"}},
     {"b": 1, "a": 2}),
    ("swap", "VALUES (1, 2) AS d(a, b)", {"name": "swap", "columnA": "a", "columnB": "b"}, {"b": 1, "a": 2}),
    ("drop", "VALUES (1, 2) AS d(a, b)", {"name": "drop", "columns": ["a", "not_there"]}, {"a": ABSENT, "b": 2}),
    ("select", "VALUES (1, 2, 3) AS d(a, b, c)", {"name": "select", "columns": ["c", "a"]},
     {"a": 1, "c": 3, "b": ABSENT}),
    ("cleanse", "(SELECT 1 AS ` Ship Date`, 2 AS `Amount ($)`)", {"name": "cleanse_column_names"},
     {"ship_date": 1, "amount____": 2}),
    ("snake", "VALUES (1, 2) AS d(orderId, HTTPStatusCode)", {"name": "snake_case"},
     {"order_id": 1, "http_status_code": 2}),
    ("columns upper", "VALUES (1) AS d(aB)", {"name": "change_column_case", "case": "upper"}, {"AB": 1}),
    ("columns replace", "VALUES (1, 2) AS d(data_a, data_b)", {"name": "columns_replace", "sedExpression": "s/^data_//g"},
     {"a": 1, "b": 2}),
    ("json", text('{"a": 1, "b": [{"c": "x"}]}'),
     {"name": "parse_as_json", "column": "t", "asColumn": "j", "sparkSchema": {"type": "struct", "fields": [
         {"name": "a", "type": "integer", "nullable": True, "metadata": {}},
         {"name": "b", "type": {"type": "array", "elementType": {"type": "struct", "fields": [
             {"name": "c", "type": "string"}]}, "containsNull": True}}]}},
     {"j": {"a": 1, "b": [{"c": "x"}]}}),
    ("json by avro", text('{"a": 1}'),
     {"name": "parse_as_json", "column": "t", "asColumn": "j",
      "avroSchema": '{"type": "record", "name": "r", "fields": [{"name": "a", "type": ["null", "long"]}]}'},
     {"j": {"a": 1}}),
    ("unfurl a struct", "(SELECT 1 AS k, named_struct('a', 2, 'b', 3) AS s)", {"name": "unfurl", "expression": "s.*"},
     {"k": 1, "s": {"a": 2, "b": 3}, "a": 2, "b": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("data", "call", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_one_function_has_the_documented_value(bench: Bench, data: str, call: dict[str, Any], expected: dict[str, Any]):
    row = bench.one(data, call)
    for column, value in expected.items():
        if value is ABSENT:
            assert column not in row
        else:
            assert row[column] == value, row


DATES = [
    "2019-02-17", "2019/02/17", "2019.02.17", "2019-2-17", "17-02-2019", "17/02/2019", "17.02.2019", "17 02 2019",
    "17/02/19", "17.02.19", "17-02-19", "20190217", "17 Feb 2019", "17-Feb-19", "17th February 2019",
    "Sun, 17 Feb 2019", "Feb 17, 2019", "February 17 2019", "2019-Feb-17", "02/17/2019", "2019-02-17T10:11:12Z",
    "2019-02-17 10:11:12.123456", "17/02/2019 10:11", "2019-02-17T23:59:59+05:30", "  2019-02-17  ",
]  # fmt: skip
NO_DATES = ["", "nonsense", "2019-13-41", "30/02/2019", "2019", "17 Foo 2019"]


def test_any_date_knows_every_layout(bench: Bench):
    rows = ", ".join(f"({n}, '{t}')" for n, t in enumerate(DATES + NO_DATES))
    found = bench.apply(f"VALUES {rows} AS d(n, t)", {"name": "any_date", "column": "t", "asColumn": "t"})
    by_number = {r["n"]: r["t"] for r in found}
    wrong = {t: by_number[n] for n, t in enumerate(DATES) if by_number[n] != dt.date(2019, 2, 17)}
    assert not wrong
    assert {t: by_number[len(DATES) + n] for n, t in enumerate(NO_DATES)} == dict.fromkeys(NO_DATES)
    assert bench.types()["t"] == "date"


def test_add_column_makes_every_documented_type(bench: Bench):
    values = {"string": "a", "boolean": "true", "byte": 1, "short": 2, "int": 3, "long": 4, "float": 1.5, "double": 2.5,
              "decimal": "3.5", "date": "2020-01-02", "timestamp": "2020-01-02 03:04:05"}  # fmt: skip
    calls = [{"name": "add_column", "column": k, "value": v, "type": k} for k, v in values.items()]
    row = bench.one("VALUES (0) AS d(z)", *calls)
    assert row == {
        "z": 0, "string": "a", "boolean": True, "byte": 1, "short": 2, "int": 3, "long": 4, "float": 1.5, "double": 2.5,
        "decimal": Decimal("3.5"), "date": dt.date(2020, 1, 2), "timestamp": dt.datetime(2020, 1, 2, 3, 4, 5),
    }  # fmt: skip
    assert [bench.types()[k] for k in ("byte", "short", "long")] == ["tinyint", "smallint", "bigint"]


def test_set_type_reads_blanks_as_null_and_refuses_other_texts(bench: Bench):
    kinds = {"a": "double", "b": "decimal(10,2)", "c": "long", "d": "timestamp", "e": "string"}
    data = "VALUES ('1.5', ' 2.345 ', '', '2020-01-02 03:04:05', 7) AS d(a, b, c, d, e)"
    row = bench.one(data, {"name": "set_type", "columns": kinds})
    assert row == {"a": 1.5, "b": Decimal("2.35"), "c": None, "d": dt.datetime(2020, 1, 2, 3, 4, 5), "e": "7"}
    with pytest.raises(Exception, match="twelve"):
        bench.one("VALUES ('twelve') AS d(a)", {"name": "set_type", "columns": {"a": "int"}})


def test_null_or_empty_is_filled(bench: Bench):
    data = "VALUES ('', CAST(NULL AS STRING), 'x', CAST(NULL AS INT)) AS d(a, b, c, n)"
    call = {"name": "fill_null_or_empty", "columns": {"a": "1", "b": "2", "c": "3", "n": "4"}}
    assert bench.one(data, call) == {"a": "1", "b": "2", "c": "x", "n": 4}


ARRAYS = "VALUES (1, array(10, 11)), (2, CAST(array() AS ARRAY<INT>)), (3, CAST(NULL AS ARRAY<INT>)) AS d(k, xs)"


def test_arrays_are_flattened(bench: Bench):
    def pairs(name: str) -> list[tuple[int, int | None]]:
        rows = bench.apply(ARRAYS, {"name": name, "column": "xs", "asColumn": "x"})
        assert all("xs" in r for r in rows)
        return sorted(((r["k"], r["x"]) for r in rows), key=str)

    assert pairs("flatten") == [(1, 10), (1, 11)]
    assert pairs("flatten_outer") == [(1, 10), (1, 11), (2, None), (3, None)]
    rows = bench.apply(ARRAYS, {"name": "flatten", "column": "xs", "asColumn": "XS"})
    assert [r["XS"] for r in rows] == [10, 11], "the element takes the array's name"
    rows = bench.apply(ARRAYS, {"name": "unfurl", "expression": "explode(xs) as x"})
    assert sorted(r["x"] for r in rows) == [10, 11]
    rows = bench.apply(ARRAYS, {"name": "unfurl", "expression": "explode(xs)"})
    assert sorted(r["col"] for r in rows) == [10, 11]
    with pytest.raises(DataOSError, match="not an array"):
        bench.apply(ARRAYS, {"name": "flatten", "column": "k", "asColumn": "x"})


SALES = (
    "VALUES ('p', 'US', 1), ('p', 'IN', 2), ('p', 'US', 4), ('q', 'IN', 8), ('q', NULL, 16) AS d(item, country, amount)"
)
PIVOT = {"name": "pivot", "groupBy": ["item"], "column": "country", "aggregateExpression": "sum(amount) as amount"}


def test_pivot_and_unpivot(bench: Bench):
    rows = bench.apply(SALES, {**PIVOT, "values": ["US", "IN"]})
    assert sorted((r["item"], r["US"], r["IN"]) for r in rows if r["item"] == "p") == [("p", 5, 2)]
    rows = {r["item"]: r for r in bench.apply(SALES, {**PIVOT, "approach": "two-phase"})}
    assert rows["q"] == {"item": "q", "null": 16, "IN": 8, "US": None}
    unpivot = {"name": "unpivot", "pivotColumns": ["k"], "keyColumnName": "month", "valueColumnName": "n"}
    wide = "VALUES ('x', 1, 2), ('y', 3, CAST(NULL AS INT)) AS d(k, jan, feb)"
    expected = [("x", "feb", 2), ("x", "jan", 1), ("y", "feb", None), ("y", "jan", 3)]
    for columns in (["jan", "feb"], "*", ["*"]):
        rows = bench.apply(wide, {**unpivot, "columns": columns})
        assert sorted((r["k"], r["month"], r["n"]) for r in rows) == expected
    rows = bench.apply(wide, {**unpivot, "columns": ["jan", "feb"], "pivotColumns": "*"})
    assert len(rows) == 4
    with pytest.raises(DataOSError, match="cannot both"):
        bench.apply(wide, {**unpivot, "columns": "*", "pivotColumns": "*"})
    with pytest.raises(DataOSError, match="different types"):
        bench.apply(wide, {**unpivot, "columns": ["k", "jan"], "pivotColumns": ["feb"]})


def test_one_row_stays_of_each_combination(bench: Bench):
    data = "VALUES (1, 'a', 1), (1, 'a', 2), (2, 'a', 3), (NULL, 'a', 4), (NULL, 'a', 5) AS d(k, l, v)"
    rows = bench.apply(data, {"name": "drop_duplicates", "columns": ["k", "l"]})
    assert sorted((r["k"] or 0) for r in rows) == [0, 1, 2]
    assert list(rows[0]) == ["k", "l", "v"]
    whole = bench.apply("VALUES (1, 1), (1, 1), (1, 2) AS d(a, b)", {"name": "drop_duplicates", "columns": ["a", "b"]})
    assert len(whole) == 2


def test_uuids_are_random(bench: Bench):
    rows = bench.apply("VALUES (1), (2) AS d(a)", {"name": "generate_uuid", "asColumn": "id"})
    assert len({r["id"] for r in rows}) == 2
    assert all(len(r["id"]) == 36 for r in rows)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"name": "rename", "column": "amout", "asColumn": "x"}, "there is no column `amout`"),
        ({"name": "rename", "column": "amount", "asColumn": "ITEM"}, "would all be named"),
        ({"name": "drop", "columns": ["item", "country", "amount"]}, "no column would be left"),
        ({"name": "cut_character", "column": "item", "asColumn": "x", "startIndex": 3, "endIndex": 2}, "no range"),
        ({"name": "fill_null_or_empty", "columns": {"nope": "1"}}, "there is no column `nope`"),
        ({"name": "unfurl", "expression": "item.*"}, "not a struct"),
        ({"name": "any_timestamp", "column": "item", "asColumn": "x", "timezone": "Mars/Base"}, "no time zone"),
    ],
)
def test_what_does_not_fit_the_data_is_said(bench: Bench, call: dict[str, Any], message: str):
    with pytest.raises(DataOSError, match=message):
        bench.apply(SALES, call)
