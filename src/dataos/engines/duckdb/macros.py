"""SQL macros that every engine process defines at start: what Trino computes and DuckDB has no single word for.

All names begin with `dt_`. Macros are expanded when a statement is bound, so they cost nothing at run time; `error()`
in a CASE branch is evaluated only for rows that take the branch. The gateway's translation is the only caller.
"""

from __future__ import annotations

import re

_TEXT = """
-- arithmetic: division by zero is an error, integers truncate towards zero
dt_int_div(a, b) := CASE WHEN b = 0 AND a IS NOT NULL THEN error('DIVISION_BY_ZERO') ELSE a // b END
dt_float_div(a, b) := a / b
dt_dec_div(a, b) := CASE WHEN b = 0 AND a IS NOT NULL THEN error('DIVISION_BY_ZERO') ELSE a / b END
dt_mod(a, b) := CASE WHEN b = 0 AND a IS NOT NULL THEN error('DIVISION_BY_ZERO') ELSE a % b END

-- subscripts: Trino fails where DuckDB gives NULL
dt_at(a, i) := CASE WHEN i IS NOT NULL AND a IS NOT NULL AND (i < 1 OR i > len(a)) THEN error('INVALID_SUBSCRIPT')
  ELSE a[i] END
dt_map_at(m, k) := CASE WHEN m IS NOT NULL AND k IS NOT NULL AND NOT map_contains(m, k)
  THEN error('INVALID_SUBSCRIPT')
  ELSE map_extract_value(m, k) END
dt_element_at(a, i) := CASE WHEN i = 0 THEN error('INVALID_SUBSCRIPT') ELSE a[i] END

-- strings
dt_substr(s, p) := CASE WHEN p = 0 OR p < -length(s) THEN '' ELSE substr(s, p) END
dt_substr3(s, p, n) := CASE WHEN p = 0 OR p < -length(s) OR n <= 0 THEN '' ELSE substr(s, p, n) END
dt_split_part(s, d, i) := CASE WHEN i < 1 THEN error('INVALID_ARGUMENT') WHEN i > len(string_split(s, d)) THEN NULL
  ELSE split_part(s, d, i) END
dt_split_limit(s, d, n) := CASE WHEN n < 1 THEN error('INVALID_ARGUMENT')
  WHEN len(string_split(s, d)) <= n THEN string_split(s, d)
  ELSE list_append(string_split(s, d)[1:n - 1], array_to_string(string_split(s, d)[n:], d)) END
dt_regexp_extract(s, p, g) := CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, g) END
dt_strpos_n(s, x, n) := CASE WHEN n < 1 THEN error('INVALID_ARGUMENT') WHEN len(string_split(s, x)) <= n
  THEN 0::BIGINT
  ELSE length(array_to_string(string_split(s, x)[1:n], x)) + 1 END

-- NULL if any element is
dt_null_any(l, v) := CASE WHEN list_count(l) < len(l) THEN NULL ELSE v END

-- arrays
dt_array_position(a, x) := CASE WHEN a IS NULL OR x IS NULL THEN NULL
  ELSE coalesce(list_position(a, x), 0)::BIGINT END
dt_contains(a, x) := CASE WHEN a IS NULL OR x IS NULL THEN NULL WHEN list_contains(a, x) THEN true
  WHEN list_count(a) < len(a) THEN NULL ELSE false END
dt_arrays_overlap(a, b) := CASE WHEN a IS NULL OR b IS NULL THEN NULL
  WHEN list_has_any(list_filter(a, lambda x: x IS NOT NULL), list_filter(b, lambda x: x IS NOT NULL)) THEN true
  WHEN list_count(a) < len(a) OR list_count(b) < len(b) THEN NULL ELSE false END
dt_any_match(l) := CASE WHEN l IS NULL THEN NULL WHEN list_contains(l, true) THEN true
  WHEN list_count(l) < len(l) THEN NULL ELSE false END
dt_all_match(l) := CASE WHEN l IS NULL THEN NULL WHEN list_contains(l, false) THEN false
  WHEN list_count(l) < len(l) THEN NULL ELSE true END
dt_array_max(a) := CASE WHEN list_count(a) < len(a) OR len(a) = 0 THEN NULL ELSE list_max(a) END
dt_array_min(a) := CASE WHEN list_count(a) < len(a) OR len(a) = 0 THEN NULL ELSE list_min(a) END
dt_array_join(a, d) := array_to_string(list_filter(a, lambda x: x IS NOT NULL), d)
dt_array_join3(a, d, n) := array_to_string(list_transform(a, lambda x: coalesce(x::VARCHAR, n)), d)

dt_array_distinct(a) := list_filter(a, lambda x, i: coalesce(list_position(a, x), i) = i)
dt_array_except(a, b) := CASE WHEN a IS NULL OR b IS NULL THEN NULL
  ELSE list_filter(dt_array_distinct(a), lambda x: list_position(b, x) IS NULL) END
dt_array_intersect(a, b) := CASE WHEN a IS NULL OR b IS NULL THEN NULL
  ELSE list_filter(dt_array_distinct(a), lambda x: list_position(b, x) IS NOT NULL) END
dt_array_union(a, b) := CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE dt_array_distinct(list_concat(a, b)) END
dt_array_remove(a, v) := CASE WHEN a IS NULL OR v IS NULL THEN NULL ELSE list_filter(a,
  lambda x: x IS NULL OR x <> v) END
dt_array_concat(a, b) := CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE list_concat(a, b) END
dt_repeat(x, n) := list_transform(range(n), lambda i: x)
dt_shuffle(a) := list_select(a, list_transform(list_sort(list_transform(range(1, len(a) + 1),
  lambda i: {'r': random(), 'i': i})), lambda s: s.i))
dt_slice(a, s, n) := CASE WHEN s = 0 OR n < 0 THEN error('INVALID_ARGUMENT') WHEN abs(s) > len(a) OR n = 0 THEN a[1:0]
  WHEN s > 0 THEN a[s:s + n - 1] ELSE a[len(a) + s + 1:least(len(a) + s + n, len(a))] END
dt_trim_array(a, n) := CASE WHEN n < 0 OR n > len(a) THEN error('INVALID_ARGUMENT') ELSE a[1:len(a) - n] END
dt_sequence(a, b) := CASE WHEN a <= b THEN generate_series(a, b, 1) ELSE generate_series(a, b, -1) END
dt_sequence3(a, b, s) := CASE WHEN s = 0 THEN error('INVALID_ARGUMENT') ELSE generate_series(a, b, s) END
dt_sequence_dates(a, b) := list_transform(generate_series(a, b, INTERVAL 1 DAY), lambda x: x::DATE)
dt_sequence_dates3(a, b, s) := list_transform(generate_series(a, b, s), lambda x: x::DATE)

-- arithmetic and bits
dt_any_div(a, b) := CASE WHEN b = 0 AND a IS NOT NULL AND typeof(b) NOT IN ('DOUBLE', 'FLOAT') AND typeof(a)
  NOT IN ('DOUBLE', 'FLOAT')
  THEN error('DIVISION_BY_ZERO')
  WHEN typeof(a) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT')
  AND typeof(b) IN ('TINYINT',
  'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT')
  THEN a // b ELSE a / b END
dt_any_mod(a, b) := CASE WHEN b = 0 AND a IS NOT NULL AND typeof(b) NOT IN ('DOUBLE', 'FLOAT') THEN
  error('DIVISION_BY_ZERO')
  ELSE a % b END
dt_e() := exp(1.0)
dt_nan() := 'nan'::DOUBLE
dt_infinity() := 'infinity'::DOUBLE
dt_random_below(n) := floor(random() * n)::BIGINT
dt_random_between(a, b) := (a + floor(random() * (b - a)))::BIGINT
dt_truncate(x, n) := trunc(x * pow(10, n)) / pow(10, n)
dt_from_base(s, r) := CASE WHEN r < 2 OR r > 36 OR NOT regexp_full_match(s, '-?[0-9a-zA-Z]+')
  THEN error('INVALID_ARGUMENT')
  ELSE list_reduce(list_transform(string_split(lower(ltrim(s, '-')), ''),
  lambda c: strpos('0123456789abcdefghijklmnopqrstuvwxyz', c) - 1), lambda x, y: x * r + y)
  * CASE WHEN s[1] = '-' THEN -1 ELSE 1 END END::BIGINT
dt_to_base(n, r) := CASE WHEN n < 0 THEN '-' || lower(to_base(-n, r)) ELSE lower(to_base(n, r)) END
dt_width_bucket(x, lo, hi, n) := CASE WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1
  ELSE floor((x - lo) * n / (hi - lo)) + 1 END::BIGINT
dt_bit_count(x, bits) := CASE WHEN bits = 64 THEN bit_count(x::BIGINT) WHEN bits = 32 THEN bit_count(x::INTEGER)
  WHEN bits = 16 THEN bit_count(x::SMALLINT) WHEN bits = 8 THEN bit_count(x::TINYINT)
  ELSE error('INVALID_ARGUMENT') END::BIGINT
dt_bit_and(a, b) := a & b
dt_bit_or(a, b) := a | b
dt_bit_not(a) := ~a
dt_shift_left(a, n) := CASE WHEN n >= 64 THEN 0
  ELSE ((a::HUGEINT & 18446744073709551615::HUGEINT) * (1::HUGEINT << n)) & 9223372036854775807 END::BIGINT
dt_shift_right(a, n) := CASE WHEN n >= 64 THEN CASE WHEN a < 0 THEN -1 ELSE 0 END
  ELSE floor(a::HUGEINT / (1::HUGEINT << n)) END::BIGINT

-- text and dates
dt_remove(s, x) := replace(s, x, '')
dt_varchar(x) := x::VARCHAR
dt_char2hexint(s) := array_to_string(list_transform(string_split(s, ''), lambda c: lpad(to_base(unicode(c), 16), 4,
  '0')), '')
dt_regexp_count(s, p) := len(regexp_extract_all(s, p))::BIGINT
dt_date(x) := x::DATE
dt_timestamptz(x) := x::TIMESTAMPTZ
dt_millisecond(x) := (millisecond(x) % 1000)::BIGINT
dt_to_milliseconds(i) := (epoch(i) * 1000)::BIGINT
dt_dates_between(a, b) := to_days((a - b)::INTEGER)

-- JSON
dt_json_extract(j, p) := json_extract(j, p)
dt_json_extract_scalar(j, p) := CASE WHEN json_type(j, p) IN ('OBJECT', 'ARRAY') THEN NULL
  ELSE json_extract_string(j, p) END
dt_json_array_length(j) := CASE WHEN json_type(j) = 'ARRAY' THEN json_array_length(j)::BIGINT END
dt_json_array_get(j, i) := CASE WHEN json_type(j) = 'ARRAY' THEN json_extract(j, i) END
dt_json_size(j, p) := CASE json_type(j, p) WHEN 'OBJECT' THEN len(json_keys(j, p)) WHEN 'ARRAY'
  THEN json_array_length(j, p)
  ELSE CASE WHEN json_extract(j, p) IS NULL THEN NULL ELSE 0 END END::BIGINT
dt_is_json_scalar(j) := json_type(j) NOT IN ('OBJECT', 'ARRAY')

-- URLs (RFC 2396)
dt_url_part(u, g) := nullif(regexp_extract(u,
  '^(?:([^:/?#]+):)?(?://(?:[^/?#@]*@)?(\\[[^\\]]*\\]|[^/?#:]*)(?::([0-9]+))?)?([^?#]*)(?:\\?([^#]*))?(?:#(.*))?',
  g), '')
dt_url_protocol(u) := dt_url_part(u, 1)
dt_url_host(u) := dt_url_part(u, 2)
dt_url_port(u) := dt_url_part(u, 3)::BIGINT
dt_url_path(u) := coalesce(dt_url_part(u, 4), '')
dt_url_query(u) := dt_url_part(u, 5)
dt_url_fragment(u) := dt_url_part(u, 6)
dt_url_decode(u) := url_decode(replace(u, '+', ' '))
dt_url_encode(u) := replace(replace(replace(url_encode(u), '%20', '+'), '%2A', '*'), '~', '%7E')
dt_url_parameter(u, n) := list_filter(list_transform(string_split(dt_url_query(u), '&'),
  lambda p: {'k': dt_url_decode(split_part(p, '=', 1)), 'v': dt_url_decode(array_to_string(string_split(p,
  '=')[2:], '='))}),
  lambda s: s.k = n)[1].v

-- logarithms and roots outside their domain are NaN or infinite in Trino, errors in DuckDB
dt_ln(x) := CASE WHEN x = 0 THEN '-infinity'::DOUBLE WHEN x < 0 THEN 'nan'::DOUBLE ELSE ln(x) END
dt_log2(x) := CASE WHEN x = 0 THEN '-infinity'::DOUBLE WHEN x < 0 THEN 'nan'::DOUBLE ELSE log2(x) END
dt_log(b, x) := dt_ln(x) / dt_ln(b)
dt_log10(x) := CASE WHEN x = 0 THEN '-infinity'::DOUBLE WHEN x < 0 THEN 'nan'::DOUBLE ELSE log10(x) END
dt_sqrt(x) := CASE WHEN x < 0 THEN 'nan'::DOUBLE ELSE sqrt(x) END
"""


TRY_PREFIX = "dt_try_"


def _statements() -> tuple[str, ...]:
    joined: list[str] = []
    for line in _TEXT.splitlines():
        if line.startswith("  "):
            joined[-1] += " " + line.strip()
        elif line and not line.startswith("--"):
            joined.append(line)
    # DuckDB's TRY refuses volatile functions, and error() is one: inside TRY the failing branch is NULL instead.
    quiet = [
        re.sub(r"error\('[A-Z_]+'\)", "NULL", line).replace("dt_", TRY_PREFIX, 1)
        for line in joined
        if "error('" in line
    ]
    return tuple(f"CREATE MACRO {line.replace(' := ', ' AS ', 1)}" for line in [*joined, *quiet])


ALL: tuple[str, ...] = _statements()
"""CREATE MACRO statements, in order."""

NAMES: frozenset[str] = frozenset(s.removeprefix("CREATE MACRO ").partition("(")[0] for s in ALL)
"""Names of the macros, for the check of written statements."""

FAILING: dict[str, str] = {"dt_" + name.removeprefix(TRY_PREFIX): name for name in NAMES if name.startswith(TRY_PREFIX)}
"""Macros that may fail -> their twin that gives NULL instead."""
