# ruff: noqa: ISC004 - a table reads better as lines
"""Statements with the rows that Trino gives for them (worked out from Trino's documentation and ch06 7)."""

from __future__ import annotations

from typing import Any

import pytest

from dataos.core.errors import DataOSError
from integration.gateway.gateway_world import World

N = None

CASES: list[tuple[str, list[list[Any]]]] = [
    # arithmetic
    ("SELECT 7 / 2, -7 / 2, 7 % 3, -7 % 3", [[3, -3, 1, -1]]),
    ("SELECT 7.0 / 2, 7e0 / 2, 1e0 / 0, 0e0 / 0", [["3.5", 3.5, "Infinity", "NaN"]]),
    ("SELECT DECIMAL '1.20' + 1, DECIMAL '10' / 3, DECIMAL '1.00' / 3, 1.00 * 2.0", [["2.20", "3", "0.33", "2.000"]]),
    ("SELECT CAST(NULL AS integer) / 0, 5 % CAST(NULL AS integer)", [[N, N]]),
    ("SELECT qty / 2, amount / 3, amount * 2, amount + 0.001 FROM orders WHERE id = 1", [[1, "3.33", "20.00", "10.001"]]),
    ("SELECT 9223372036854775807 / 1", [[9223372036854775807]]),
    ("SELECT abs(-3), sign(-3), floor(1.7), ceil(1.2), ceiling(-1.2), round(2.5), round(-2.5e0)",
     [[3, -1, "1", "2", "-1", "3", -3.0]]),
    ("SELECT sqrt(-1), ln(0), log10(100), log2(8), log(2, 8), power(2, 10), mod(7, 3)",
     [["NaN", "-Infinity", 2.0, 3.0, 3.0, 1024.0, 1]]),
    ("SELECT nan(), infinity(), is_nan(nan()), is_finite(1e0), truncate(1.79e0), cbrt(8)",
     [["NaN", "Infinity", True, True, 1.0, 2.0]]),
    ("SELECT width_bucket(5, 0, 10, 5), to_base(255, 16), e() > 2.7, pi() > 3.1", [[3, "ff", True, True]]),
    ("SELECT bitwise_and(5, 3), bitwise_or(5, 3), bitwise_xor(5, 3), bitwise_not(0), bit_count(-7, 64)",
     [[1, 7, 6, -1, 62]]),
    ("SELECT bitwise_left_shift(1, 2), bitwise_right_shift_arithmetic(-8, 1)", [[4, -4]]),
    # casts
    ("SELECT CAST(2.5e0 AS integer), CAST(-2.5e0 AS bigint), CAST(2.5 AS integer), CAST('12' AS integer)",
     [[3, -3, 3, 12]]),
    ("SELECT TRY_CAST('1.5' AS integer), TRY_CAST('x' AS double), TRY_CAST('300' AS tinyint)", [[N, N, N]]),
    ("SELECT try(1 / 0), try(CAST('x' AS integer)), try(ARRAY[1][5]), try(10 / 4)", [[N, N, N, 2]]),
    ("SELECT CAST('abc' AS varchar(2)), CAST(true AS varchar), CAST(12.50 AS varchar)", [["ab", "true", "12.50"]]),
    ("SELECT CAST('12.345' AS decimal(10,2)), CAST(amount AS decimal) FROM orders WHERE id = 1", [["12.35", "10"]]),
    ("SELECT CAST('2024-02-29' AS date), CAST(TIMESTAMP '2024-02-29 10:00:00' AS date)",
     [["2024-02-29", "2024-02-29"]]),
    ("SELECT typeof(1), typeof(1.5), typeof(amount), typeof('x'), typeof(qty + id) FROM orders LIMIT 1",
     [["integer", "decimal(2,1)", "decimal(10,2)", "varchar", "bigint"]]),
    # NULL and logic
    ("SELECT greatest(1, NULL), least(3, 1, 2), greatest('a', 'b')", [[N, 1, "b"]]),
    ("SELECT coalesce(NULL, 2), nullif(1, 1), if(false, 1), if(NULL, 1, 2), nvl(NULL, 'x')", [[2, N, N, 2, "x"]]),
    ("SELECT 1 WHERE 1 IN (1, 2) AND 2 BETWEEN 1 AND 3 AND NULL IS NULL AND 1 IS DISTINCT FROM NULL", [[1]]),
    ("SELECT count(*) FROM orders WHERE NOT (qty > 2)", [[2]]),
    ("SELECT CASE qty WHEN 3 THEN 'three' ELSE 'other' END FROM orders WHERE id <= 2 ORDER BY id",
     [["three"], ["other"]]),
    # strings
    ("SELECT concat('a', NULL), 'a' || 'b', concat('a', 'b', 'c'), 'a' || NULL", [[N, "ab", "abc", N]]),
    ("SELECT substr('hello', 0), substr('hello', -3), substr('hello', 2, 3), substr('hello', -9)",
     [["", "llo", "ell", ""]]),
    ("SELECT substring('hello' FROM 2 FOR 2), position('z' IN 'abc'), strpos('abcb', 'b'), strpos('abcb', 'b', 2)",
     [["el", 0, 2, 4]]),
    ("SELECT split_part('a,b', ',', 3), split_part('a,b', ',', 2), split('a,b,c', ','), split('a,b,c', ',', 2)",
     [[N, "b", ["a", "b", "c"], ["a", "b,c"]]]),
    ("SELECT lpad('a', 3, 'x'), rpad('abc', 2, 'x'), trim(BOTH 'x' FROM 'xax'), ltrim('  a'), reverse('abc')",
     [["xxa", "ab", "a", "a", "cba"]]),
    ("SELECT chr(65), codepoint('A'), length('äö'), upper('ä'), levenshtein_distance('ab', 'b')",
     [["A", 65, 2, "Ä", 1]]),
    ("SELECT replace('aba', 'a'), replace('aba', 'a', 'x'), translate('abc', 'ab', 'xy'), starts_with('abc', 'ab')",
     [["b", "xbx", "xyc", True]]),
    ("SELECT id FROM orders WHERE customer LIKE 'a%' OR customer LIKE 'x$%' ESCAPE '$' ORDER BY id", [[1], [3]]),
    ("SELECT 'a_b' LIKE 'a\\_b', 'a_b' LIKE 'a$_b' ESCAPE '$', 'ab' LIKE 'A%'", [[False, True, False]]),
    ("SELECT to_hex(to_utf8('az')), from_utf8(from_hex('617a')), to_base64(to_utf8('a'))", [["617A", "az", "YQ=="]]),
    ("SELECT md5(to_utf8('a')), md5('a')", [["DMF1ucDxtqgxw5niaXcmYQ==", "0cc175b9c0f1b6a831c399e269772661"]]),
    ("SELECT url_extract_host('https://u@e.com:81/a?x=1#f'), url_extract_port('https://e.com:81/'), "
     "url_extract_parameter('https://e.com/a?x=1&y=a%20b', 'y'), url_encode('a b')", [["e.com", 81, "a b", "a+b"]]),
    # regular expressions
    ("SELECT regexp_like('abc', 'b'), regexp_extract('abc', '(b)(c)', 2), regexp_extract('abc', 'z')",
     [[True, "c", N]]),
    ("SELECT regexp_replace('a1b2', '[0-9]', 'X'), regexp_replace('ab', '(a)(b)', '$2$1'), regexp_replace('a1', '1')",
     [["aXbX", "ba", "a"]]),
    ("SELECT regexp_split('a1b2', '[0-9]'), regexp_count('a1b2', '[0-9]'), regexp_extract_all('a1b2', '[0-9]')",
     [[["a", "b", ""], 2, ["1", "2"]]]),
    # dates
    ("SELECT date_diff('day', TIMESTAMP '2020-01-01 23:00:00', TIMESTAMP '2020-01-02 01:00:00'), "
     "date_diff('month', DATE '2020-01-31', DATE '2020-02-29'), date_diff('hour', TIMESTAMP '2020-01-01 00:59:00', "
     "TIMESTAMP '2020-01-01 02:00:00')", [[0, 1, 1]]),
    ("SELECT date_add('month', 1, DATE '2020-01-31'), DATE '2020-01-31' + INTERVAL '1' MONTH, "
     "date_trunc('month', DATE '2020-02-15')", [["2020-02-29", "2020-02-29", "2020-02-01"]]),
    ("SELECT DATE '2024-03-01' - INTERVAL '1' DAY, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL '90' MINUTE",
     [["2024-02-29", "2024-01-01 01:30:00.000000"]]),
    ("SELECT date '2024-01-02' - date '2024-01-01', interval '2' month + interval '1' month",
     [["1 00:00:00.000", "0-3"]]),
    ("SELECT day_of_week(DATE '2024-01-07'), extract(dow FROM DATE '2024-01-07'), week(DATE '2024-01-01'), "
     "year_of_week(DATE '2021-01-01'), doy(DATE '2024-12-31')", [[7, 7, 1, 2020, 366]]),
    ("SELECT date(at), hour(at), second(at), millisecond(at), at FROM orders WHERE id = 1",
     [["2024-01-01", 10, 15, 250, "2024-01-01 10:30:15.250000"]]),
    ("SELECT date_format(TIMESTAMP '2024-01-02 03:04:05', '%Y-%m-%d %H:%i:%s'), date_format(DATE '2024-01-02', '%M %e')",
     [["2024-01-02 03:04:05", "January 2"]]),
    ("SELECT date_parse('02.01.2024 10:05', '%d.%m.%Y %H:%i')", [["2024-01-02 10:05:00.000000"]]),
    ("SELECT format_datetime(TIMESTAMP '2024-01-02 03:04:05', 'yyyy/MM/dd''T''HH:mm')", [["2024/01/02T03:04"]]),
    ("SELECT from_unixtime(0), to_unixtime(TIMESTAMP '1970-01-01 00:00:10')", [["1970-01-01 00:00:00.000000 UTC", 10.0]]),
    ("SELECT date_trunc('week', at), last_day_of_month(day), quarter(day) FROM orders WHERE id = 2",
     [["2024-01-01 00:00:00.000000", "2024-02-29", 1]]),
    ("SELECT current_date = CAST(now() AS date), current_user, current_timezone()", [[True, "alice", "UTC"]]),
    # arrays, maps, rows
    ("SELECT ARRAY[1, 2][1], element_at(ARRAY[1, 2], 5), element_at(ARRAY[1, 2], -1)", [[1, N, 2]]),
    ("SELECT tags[id], tags[id + 1], tags[CAST(id AS integer)] FROM things WHERE id = 1", [["a", "b", "a"]]),
    ("SELECT MAP(ARRAY['a'], ARRAY[1])['a'], element_at(MAP(ARRAY['a'], ARRAY[1]), 'b'), MAP(ARRAY[5], ARRAY['x'])[5]",
     [[1, N, "x"]]),
    ("SELECT contains(ARRAY[1, NULL], 2), contains(ARRAY[1, 2], 2), array_position(ARRAY['a'], 'b')", [[N, True, 0]]),
    ("SELECT cardinality(ARRAY[1, 2]), array_join(ARRAY[1, NULL, 3], '-'), array_join(ARRAY[1, NULL], '-', '?')",
     [[2, "1-3", "1-?"]]),
    ("SELECT array_distinct(ARRAY[2, 1, 1]), array_union(ARRAY[1], ARRAY[2, 1]), array_except(ARRAY[1, 2], ARRAY[2])",
     [[[2, 1], [1, 2], [1]]]),
    ("SELECT array_sort(ARRAY[3, NULL, 1]), array_max(ARRAY[1, NULL]), array_min(ARRAY[2, 1]), flatten(ARRAY[ARRAY[1]])",
     [[[1, 3, N], N, 1, [1]]]),
    ("SELECT ARRAY[1] || ARRAY[2], ARRAY[1] || 2, slice(ARRAY[1, 2, 3], -2, 2), sequence(1, 3), repeat('x', 2)",
     [[[1, 2], [1, 2], [2, 3], [1, 2, 3], ["x", "x"]]]),
    ("SELECT transform(ARRAY[1, 2], x -> x * 2), filter(ARRAY[1, 2, 3], x -> x > 1), "
     "reduce(ARRAY[1, 2, 3], 0, (s, x) -> s + x, s -> s * 10)", [[[2, 4], [2, 3], 60]]),
    ("SELECT any_match(ARRAY[1], x -> x > 0), all_match(ARRAY[1, 0], x -> x > 0), none_match(ARRAY[1], x -> x > 0)",
     [[True, False, False]]),
    ("SELECT arrays_overlap(ARRAY[1], ARRAY[1]), arrays_overlap(ARRAY[1, NULL], ARRAY[2])", [[True, N]]),
    ("SELECT map_keys(counts), map_values(counts), cardinality(counts) FROM things WHERE id = 1",
     [[["x", "y"], [1, 2], 2]]),
    ("SELECT place.city, things.place.zip, counts['x'] FROM things WHERE id = 1", [["Rom", 1, 1]]),
    ("SELECT CAST(ROW(1, 'a') AS ROW(x bigint, y varchar)).y, ROW(1, 2)", [["a", [1, 2]]]),
    ("SELECT transform(ARRAY[7, 8], x -> x / 2), transform(ARRAY[7, 8], x -> (x + 1) / 2 % 3)", [[[3, 4], [1, 1]]]),
    ("SELECT transform_values(counts, (k, v) -> v + 1), transform_keys(counts, (k, v) -> k || 'z'), map_filter(counts, (k, v) -> v > 1) FROM things WHERE id = 1",
     [[{"x": 2, "y": 3}, {"xz": 1, "yz": 2}, {"y": 2}]]),
    ("SELECT zip_with(ARRAY[1, 2], ARRAY[3, 4], (x, y) -> x + y), from_base('ff', 16), from_base('-101', 2)", [[[4, 6], 255, -5]]),
    ("SELECT map_concat(counts, MAP(ARRAY['z'], ARRAY[9])), map_entries(counts) FROM things WHERE id = 1",
     [[{"x": 1, "y": 2, "z": 9}, [["x", 1], ["y", 2]]]]),
    # UNNEST
    ("SELECT x, n FROM UNNEST(ARRAY['a', 'b']) WITH ORDINALITY AS t(x, n)", [["a", 1], ["b", 2]]),
    ("SELECT id, tag, n FROM things CROSS JOIN UNNEST(tags) WITH ORDINALITY AS t(tag, n) ORDER BY n",
     [[1, "a", 1], [1, "b", 2], [1, N, 3]]),
    ("SELECT id, k, v FROM things CROSS JOIN UNNEST(counts) AS t(k, v) ORDER BY k", [[1, "x", 1], [1, "y", 2]]),
    ("SELECT sku, n FROM things CROSS JOIN UNNEST(items) AS t(sku, n) ORDER BY sku", [["s1", 2], ["s2", 1]]),
    ("SELECT id, count(tag) FROM things LEFT JOIN UNNEST(tags) AS t(tag) ON TRUE GROUP BY id ORDER BY id",
     [[1, 2], [2, 0]]),
    ("SELECT a, b FROM UNNEST(ARRAY[1, 2, 3], ARRAY['x']) AS t(a, b) ORDER BY a", [[1, "x"], [2, N], [3, N]]),
    # aggregates
    ("SELECT sum(qty), avg(qty), count(*), count(amount), sum(amount), avg(amount) FROM orders",
     [[12, 3.0, 5, 4, "135.75", "33.94"]]),
    ("SELECT sum(qty), count(*), max(qty), array_agg(qty) FROM empty", [[N, 0, N, N]]),
    ("SELECT sum(id) FILTER (WHERE ok), count_if(ok), bool_and(ok), every(ok), bool_or(ok) FROM orders",
     [[5, 2, False, False, True]]),
    ("SELECT approx_distinct(customer), max_by(customer, id), min_by(id, amount), count(DISTINCT customer) FROM orders",
     [[3, "Cid", 3, 3]]),
    ("SELECT array_agg(id ORDER BY id DESC), max(id, 2), min(id, 2) FROM orders", [[[5, 4, 3, 2, 1], [5, 4], [1, 2]]]),
    ("SELECT listagg(customer, ',') WITHIN GROUP (ORDER BY customer DESC) FROM orders", [["bob,ann,ann,Cid"]]),
    ("SELECT histogram(customer), map_agg(id, customer) FROM orders WHERE id < 3",
     [[{"ann": 1, "bob": 1}, {"1": "ann", "2": "bob"}]]),
    ("SELECT customer, count(*) FROM orders GROUP BY customer ORDER BY customer",
     [["Cid", 1], ["ann", 2], ["bob", 1], [N, 1]]),
    ("SELECT customer, ok, count(*), grouping(customer, ok) FROM orders WHERE id < 3 "
     "GROUP BY GROUPING SETS ((customer), (ok), ()) ORDER BY 4, 1, 2",
     [["ann", N, 1, 1], ["bob", N, 1, 1], [N, False, 1, 2], [N, True, 1, 2], [N, N, 2, 3]]),
    ("SELECT customer, count(*) FROM orders WHERE id < 3 GROUP BY ROLLUP (customer) ORDER BY 1 NULLS FIRST",
     [[N, 2], ["ann", 1], ["bob", 1]]),
    ("SELECT count(*) AS c, customer FROM orders GROUP BY 2 HAVING count(*) > 1", [[2, "ann"]]),
    ("SELECT round(corr(id, id), 9), stddev_pop(id), var_samp(id), covar_pop(id, id) FROM orders", [[1.0, 1.4142135623730951, 2.5, 2.0]]),
    # windows
    ("SELECT id, row_number() OVER (PARTITION BY customer ORDER BY id DESC), lag(id) OVER (ORDER BY id), "
     "lead(id, 2, 0) OVER (ORDER BY id) FROM orders ORDER BY id",
     [[1, 2, N, 3], [2, 1, 1, 4], [3, 1, 2, 5], [4, 1, 3, 0], [5, 1, 4, 0]]),
    ("SELECT id, sum(amount) OVER (ORDER BY id), avg(amount) FILTER (WHERE id < 3) OVER () FROM orders ORDER BY id LIMIT 2",
     [[1, "10.00", "15.25"], [2, "30.50", "15.25"]]),
    ("SELECT rank() OVER (ORDER BY customer), dense_rank() OVER (ORDER BY customer), ntile(2) OVER (ORDER BY id) "
     "FROM orders WHERE id < 4 ORDER BY id", [[1, 1, 1], [3, 2, 1], [1, 1, 2]]),
    ("SELECT last_value(customer) IGNORE NULLS OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) "
     "FROM orders ORDER BY id DESC LIMIT 1", [["ann"]]),
    ("SELECT id, count(*) OVER w FROM orders WINDOW w AS (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) "
     "ORDER BY id LIMIT 2", [[1, 1], [2, 2]]),
    # order, limits, set operations
    ("SELECT customer FROM orders ORDER BY customer", [["Cid"], ["ann"], ["ann"], ["bob"], [N]]),
    ("SELECT customer FROM orders ORDER BY customer DESC", [["bob"], ["ann"], ["ann"], ["Cid"], [N]]),
    ("SELECT customer FROM orders ORDER BY customer DESC NULLS FIRST LIMIT 1", [[N]]),
    ("SELECT id FROM orders ORDER BY id OFFSET 1 ROWS FETCH FIRST 2 ROWS ONLY", [[2], [3]]),
    ("SELECT id FROM orders ORDER BY id LIMIT ALL", [[1], [2], [3], [4], [5]]),
    ("SELECT 1 UNION SELECT 2 INTERSECT SELECT 2 ORDER BY 1", [[1], [2]]),
    ("SELECT 1 UNION ALL SELECT 1", [[1], [1]]),
    ("SELECT id FROM orders EXCEPT SELECT id FROM things ORDER BY id", [[3], [4], [5]]),
    ("VALUES (2, 'b'), (1, 'a') ORDER BY 1", [[1, "a"], [2, "b"]]),
    ("SELECT x + 1 FROM (VALUES 1, 2) AS t(x) ORDER BY 1", [[2], [3]]),
    # joins and sub-queries
    ("SELECT * FROM (SELECT id FROM orders) JOIN (SELECT id FROM things) USING (id) ORDER BY id", [[1], [2]]),
    ("SELECT id FROM orders NATURAL JOIN (SELECT id FROM things) ORDER BY 1", [[1], [2]]),
    ("SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM orders p WHERE p.id = o.id + 3) ORDER BY 1", [[1], [2]]),
    ("SELECT id, (SELECT max(p.id) FROM orders p WHERE p.customer = o.customer) FROM orders o ORDER BY id",
     [[1, 3], [2, 2], [3, 3], [4, N], [5, 5]]),
    ("SELECT id FROM orders WHERE id IN (SELECT id FROM empty) OR id = ANY (VALUES 1) OR id > ALL (VALUES 4) ORDER BY 1",
     [[1], [5]]),
    ("SELECT t.id, l.x FROM things t CROSS JOIN LATERAL (SELECT t.id * 2 AS x) l ORDER BY 1", [[1, 2], [2, 4]]),
    ("WITH orders AS (SELECT id FROM orders WHERE id < 3) SELECT count(*) FROM orders", [[2]]),
    ("WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT a.x, b.x FROM a, b", [[1, 2]]),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r", [[15]]),
    ("SELECT lakehouse.retail.orders.id, retail.orders.qty, orders.ok FROM orders WHERE lakehouse.retail.orders.id = 1",
     [[1, 3, True]]),
    ("SELECT a.id FROM orders a FULL OUTER JOIN things b ON a.id = b.id + 4 ORDER BY 1 LIMIT 6",
     [[1], [2], [3], [4], [5], [N]]),
    # JSON
    ("SELECT json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a.b'), json_extract_scalar('{\"a\": {}}', '$.a'), "
     "json_array_length('[1,2]'), json_format(json_parse('{\"a\":1}'))", [["1", N, 2, '{"a":1}']]),
    ("SELECT CAST('\"a\"' AS JSON), CAST(json_parse('\"a\"') AS varchar)", [['"\\"a\\""', "a"]]),
    # the database
    ("SELECT name, score, joined, info, key, tags FROM shop.public.customers WHERE name = 'ann'",
     [["ann", "7.5", "2024-01-01 10:00:00.000000 UTC", '{"a": 1}', "00000000-0000-0000-0000-000000000001", ["x", "y"]]]),
    ("SELECT json_extract_scalar(info, '$.a') FROM shop.public.customers WHERE name = 'ann'", [["1"]]),
    ('SELECT "Key", key, OTHER FROM shop.mixed."case"', [[1, 1, "one"]]),
]  # fmt: skip


@pytest.mark.acceptance("ch06-AS18")
@pytest.mark.parametrize(("sql", "expected"), CASES, ids=[c[0][:60] for c in CASES])
def test_rows_are_trinos(world: World, sql: str, expected: list[list[Any]]):
    assert world.rows(sql) == expected


ERRORS: list[tuple[str, str, str]] = [
    ("SELECT 1 / 0", "query.division_by_zero", "Division by zero"),
    ("SELECT id / qty FROM orders", "query.division_by_zero", "Division by zero"),
    ("SELECT 5 % 0", "query.division_by_zero", ""),
    ("SELECT 1.0 / 0", "query.division_by_zero", ""),
    ("SELECT CAST('1.5' AS integer)", "query.invalid_cast", ""),
    ("SELECT CAST(customer AS date) FROM orders", "query.invalid_cast", ""),
    ("SELECT ARRAY[1, 2][3]", "query.invalid_argument", "subscript"),
    ("SELECT MAP(ARRAY['a'], ARRAY[1])['b']", "query.invalid_argument", "key not present"),
    ("SELECT 2147483647 + CAST(1 AS integer)", "query.out_of_range", ""),
    ("SELECT (SELECT id FROM orders)", "query.invalid_argument", "multiple rows"),
    (
        "SELECT (SELECT count(*) FROM orders y FULL JOIN orders z ON y.id = z.id AND z.qty > x.qty) FROM orders x",
        "query.unsupported",
        "from outside of it under an outer join",
    ),
    ("SELECT nope FROM orders", "query.unknown_column", "line 1:8: Column 'nope' cannot be resolved"),
    ("SELECT o.custmer FROM orders o", "query.unknown_column", "cannot be resolved"),
    ("SELECT id AS b FROM orders WHERE b = 1", "query.unknown_column", "line 1:34: Column 'b' cannot be resolved"),
    ("SELECT orders FROM orders", "query.unknown_column", ""),
    ("SELECT id FROM orders a, things b", "query.ambiguous", "line 1:8: Column 'id' is ambiguous"),
    ("WITH a AS (SELECT 1 AS x), b AS (SELECT 2 AS x) SELECT x FROM a, b", "query.ambiguous", "'x' is ambiguous"),
    ("WITH a AS (SELECT 1 AS x), b AS (SELECT 2 AS x) SELECT z FROM a, b", "query.unknown_column", "'z' cannot be"),
    ("SELECT x FROM (SELECT 1 AS x) a, (SELECT 2 AS x) b", "query.ambiguous", "'x' is ambiguous"),
    ("SELECT * FROM ordrs", "query.unknown_relation", "line 1:15: Table 'lakehouse.retail.ordrs' does not exist"),
    ("SELECT *\nFROM retial.orders", "query.unknown_relation", "line 2:6: Schema 'lakehouse.retial' does not exist"),
    ("SELECT * FROM nowhere.a.b", "query.unknown_catalog", "Catalog 'nowhere' not found on cluster miniature"),
    (
        'SELECT * FROM "drop".none.x',
        "depot.unsupported",
        "is of type FILE, which cannot be queried in place with SQL (queries: with `format: ICEBERG`",
    ),
    ("SELECT * FROM shop.public.clash", "query.unsupported", "letter case"),
    ("SELECT customer = 1 FROM orders", "query.type", "Cannot apply operator: varchar = integer"),
    ("SELECT row_number() FROM orders", "query.type", "requires an OVER clause"),
    ("SELECT abs(1, 2)", "query.type", "Unexpected parameters for function abs"),
    ("SELECT foo(1)", "query.unsupported_function", "line 1:8: Function foo is not supported on cluster miniature"),
    ("SELECT 1 +", "query.syntax", "line 1:11: mismatched input '<EOF>'"),
    ("SELECT FROM WHERE", "query.syntax", ""),
    ("SELECT 'abc", "query.syntax", ""),
    ("", "query.syntax", "empty"),
    ("SELECT id FROM orders FETCH FIRST 1 ROW WITH TIES", "query.unsupported", "WITH TIES"),
    ("SELECT id FROM orders FOR VERSION AS OF 123", "iceberg.not_found.snapshot", ""),
    ("SELECT * FROM shop.public.customers FOR VERSION AS OF 1", "query.unsupported", "no past versions"),
    ("SELECT date_trunc('fortnight', at) FROM orders", "query.invalid_argument", "not a valid field"),
]


@pytest.mark.parametrize(("sql", "code", "text"), ERRORS, ids=[e[0][:60] or "empty" for e in ERRORS])
def test_errors_are_coded_and_our_own(world: World, sql: str, code: str, text: str):
    with pytest.raises(DataOSError) as caught:
        world.rows(sql)
    problem = caught.value.problem
    assert problem.code == code
    assert text.lower() in problem.message.lower()
    # Nothing of the engine's own words: no written SQL, no macro names, no paths, no values of rows.
    shown = problem.message + problem.hint
    for leak in ("dt_", "iceberg_scan", str(world.folder), "Binder", "Conversion Error", "Candidate", "bob"):
        assert leak not in shown
