"""SQL macros that every engine process defines at start: what Trino computes and DuckDB has no single word for.

All names begin with `dt_`. Macros are expanded when a statement is bound, so they cost nothing at run time; `error()`
in a CASE branch is evaluated only for rows that take the branch. The gateway's translation is the only caller.
"""

from __future__ import annotations

_TEXT = """
-- arithmetic: division by zero is an error, integers truncate towards zero
dt_int_div(a, b) := CASE WHEN b = 0 THEN error('DIVISION_BY_ZERO') ELSE a // b END
dt_dec_div(a, b) := CASE WHEN b = 0 THEN error('DIVISION_BY_ZERO') ELSE a / b END
dt_mod(a, b) := CASE WHEN b = 0 THEN error('DIVISION_BY_ZERO') ELSE a % b END

-- subscripts: Trino fails where DuckDB gives NULL
dt_at(a, i) := CASE WHEN i IS NOT NULL AND a IS NOT NULL AND (i < 1 OR i > len(a)) THEN error('INVALID_SUBSCRIPT')
  ELSE a[i] END
dt_map_at(m, k) := CASE WHEN m IS NOT NULL AND k IS NOT NULL AND NOT map_contains(m, k) THEN error('INVALID_SUBSCRIPT')
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
dt_strpos_n(s, x, n) := CASE WHEN n < 1 THEN error('INVALID_ARGUMENT') WHEN len(string_split(s, x)) <= n THEN 0::BIGINT
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

-- logarithms and roots outside their domain are NaN or infinite in Trino, errors in DuckDB
dt_ln(x) := CASE WHEN x = 0 THEN '-infinity'::DOUBLE WHEN x < 0 THEN 'nan'::DOUBLE ELSE ln(x) END
dt_log2(x) := CASE WHEN x = 0 THEN '-infinity'::DOUBLE WHEN x < 0 THEN 'nan'::DOUBLE ELSE log2(x) END
dt_log10(x) := CASE WHEN x = 0 THEN '-infinity'::DOUBLE WHEN x < 0 THEN 'nan'::DOUBLE ELSE log10(x) END
dt_sqrt(x) := CASE WHEN x < 0 THEN 'nan'::DOUBLE ELSE sqrt(x) END
"""


def _statements() -> tuple[str, ...]:
    joined: list[str] = []
    for line in _TEXT.splitlines():
        if line.startswith("  "):
            joined[-1] += " " + line.strip()
        elif line and not line.startswith("--"):
            joined.append(line)
    return tuple(f"CREATE MACRO {line.replace(' := ', ' AS ', 1)}" for line in joined)


ALL: tuple[str, ...] = _statements()
"""CREATE MACRO statements, in order."""

NAMES: frozenset[str] = frozenset(s.removeprefix("CREATE MACRO ").partition("(")[0] for s in ALL)
"""Names of the macros, for the check of written statements."""
