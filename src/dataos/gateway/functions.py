"""The allow table: which Trino functions run, what they become in DuckDB, and what type they give.

One line a function (and number of arguments): `name arity target returns`. `target` is a DuckDB function or one of
the `dt_` macros that every engine process defines; `@name` is a builder in `builders`. `returns` is a type, `0` for
the type of the first argument, `e0` for its element type, `a0` for an array of it, `?` where nothing is known. What
is not here does not run. Sources: ch06 7.3; Trino 4xx documentation of functions and operators.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from dataos.gateway import types

_SCALAR = """
abs 1 abs 0
acos 1 acos double
asin 1 asin double
atan 1 atan double
atan2 2 atan2 double
cbrt 1 cbrt double
ceil 1 ceil 0
ceiling 1 ceil 0
cos 1 cos double
cosh 1 cosh double
degrees 1 degrees double
e 0 dt_e double
exp 1 exp double
floor 1 floor 0
infinity 0 dt_infinity double
is_finite 1 isfinite boolean
is_infinite 1 isinf boolean
is_nan 1 isnan boolean
ln 1 dt_ln double
log 2 dt_log double
log10 1 dt_log10 double
log2 1 dt_log2 double
mod 2 @mod ?
nan 0 dt_nan double
pi 0 pi double
pow 2 pow double
power 2 pow double
radians 1 radians double
rand 0 random double
rand 1 dt_random_below 0
random 0 random double
random 1 dt_random_below 0
random 2 dt_random_between 0
round 1 round 0
round 2 round 0
sign 1 @sign 0
sin 1 sin double
sinh 1 sinh double
sqrt 1 dt_sqrt double
tan 1 tan double
tanh 1 tanh double
from_base 2 dt_from_base bigint
to_base 2 dt_to_base varchar
truncate 1 trunc 0
truncate 2 dt_truncate 0
width_bucket 4 dt_width_bucket bigint
bit_count 2 dt_bit_count bigint
bitwise_and 2 dt_bit_and 0
bitwise_or 2 dt_bit_or 0
bitwise_xor 2 xor 0
bitwise_not 1 dt_bit_not 0
bitwise_left_shift 2 dt_shift_left 0
bitwise_right_shift_arithmetic 2 dt_shift_right 0
chr 1 chr varchar
codepoint 1 unicode integer
concat 2+ @concat 0
concat_ws 2+ concat_ws varchar
char2hexint 1 dt_char2hexint varchar
ends_with 2 ends_with boolean
hamming_distance 2 hamming bigint
length 1 @length bigint
levenshtein_distance 2 levenshtein bigint
lower 1 lower varchar
lpad 3 lpad varchar
ltrim 1 ltrim varchar
ltrim 2 ltrim varchar
replace 2 dt_remove varchar
replace 3 replace varchar
reverse 1 @reverse 0
rpad 3 rpad varchar
rtrim 1 rtrim varchar
rtrim 2 rtrim varchar
split 2 string_split array(varchar)
split 3 dt_split_limit array(varchar)
split_part 3 dt_split_part varchar
starts_with 2 starts_with boolean
strpos 2 strpos bigint
strpos 3 dt_strpos_n bigint
index 2 strpos bigint
instr 2 strpos bigint
substr 2 dt_substr varchar
substr 3 dt_substr3 varchar
substring 2 dt_substr varchar
substring 3 dt_substr3 varchar
translate 3 translate varchar
trim 1 trim varchar
upper 1 upper varchar
hex 1 hex varchar
unhex 1 unhex varbinary
from_utf8 1 decode varchar
to_utf8 1 encode varbinary
from_hex 1 unhex varbinary
to_hex 1 hex varchar
from_base64 1 from_base64 varbinary
to_base64 1 to_base64 varchar
md5 1 @digest ?
sha1 1 @digest ?
sha256 1 @digest ?
regexp_like 2 regexp_matches boolean
regexp_extract 2 @regexp_extract varchar
regexp_extract 3 @regexp_extract varchar
regexp_extract_all 2 regexp_extract_all array(varchar)
regexp_extract_all 3 regexp_extract_all array(varchar)
regexp_replace 2 @regexp_replace varchar
regexp_replace 3 @regexp_replace varchar
regexp_split 2 string_split_regex array(varchar)
regexp_count 2 dt_regexp_count bigint
coalesce 1+ coalesce 0
nullif 2 nullif 0
nvl 2 coalesce 0
if 2+ @never 0
try 1 try 0
greatest 1+ @extreme 0
least 1+ @extreme 0
typeof 1 @typeof varchar
uuid 0 uuid uuid
version 0 @version varchar
current_timezone 0 @zone varchar
now 0 now timestamp(6) with time zone
date 1 @date date
date_add 3 @date_add 2
date_diff 3 @date_diff bigint
date_trunc 2 @date_trunc 1
date_format 2 @date_format varchar
date_parse 2 @date_parse timestamp(6)
format_datetime 2 @format_datetime varchar
from_iso8601_date 1 dt_date date
from_iso8601_timestamp 1 dt_timestamptz timestamp(6) with time zone
from_unixtime 1 to_timestamp timestamp(6) with time zone
last_day_of_month 1 last_day date
to_iso8601 1 @to_iso8601 varchar
to_unixtime 1 epoch double
to_milliseconds 1 dt_to_milliseconds bigint
year 1 year bigint
quarter 1 quarter bigint
month 1 month bigint
week 1 week bigint
week_of_year 1 week bigint
day 1 day bigint
day_of_month 1 day bigint
day_of_week 1 isodow bigint
dow 1 isodow bigint
day_of_year 1 dayofyear bigint
doy 1 dayofyear bigint
year_of_week 1 isoyear bigint
yow 1 isoyear bigint
hour 1 hour bigint
minute 1 minute bigint
second 1 second bigint
millisecond 1 dt_millisecond bigint
all_match 2 @match boolean
any_match 2 @match boolean
none_match 2 @match boolean
array_distinct 1 dt_array_distinct 0
array_except 2 dt_array_except 0
array_intersect 2 dt_array_intersect 0
array_join 2 dt_array_join varchar
array_join 3 dt_array_join3 varchar
array_max 1 dt_array_max e0
array_min 1 dt_array_min e0
array_position 2 dt_array_position bigint
array_remove 2 dt_array_remove 0
array_sort 1 list_sort 0
array_union 2 dt_array_union 0
arrays_overlap 2 dt_arrays_overlap boolean
cardinality 1 @cardinality bigint
contains 2 dt_contains boolean
element_at 2 @element_at e0
filter 2 list_filter 0
flatten 1 flatten e0
reduce 4 @reduce ?
repeat 2 dt_repeat a0
sequence 2 @sequence ?
sequence 3 @sequence ?
shuffle 1 dt_shuffle 0
slice 3 dt_slice 0
transform 2 list_transform ?
trim_array 2 dt_trim_array 0
zip 2+ list_zip ?
map 0 @map ?
map 2 @map ?
map_concat 2+ @map_concat 0
map_entries 1 map_entries ?
map_from_entries 1 map_from_entries ?
map_keys 1 map_keys ?
map_values 1 map_values ?
map_filter 2 @map_lambda 0
transform_keys 2 @map_lambda ?
transform_values 2 @map_lambda ?
zip_with 3 @zip_with ?
json_array_length 1 dt_json_array_length bigint
json_array_get 2 dt_json_array_get json
json_extract 2 dt_json_extract json
json_extract_scalar 2 dt_json_extract_scalar varchar
json_format 1 dt_varchar varchar
json_parse 1 json json
json_size 2 dt_json_size bigint
is_json_scalar 1 dt_is_json_scalar boolean
url_decode 1 dt_url_decode varchar
url_encode 1 dt_url_encode varchar
url_extract_fragment 1 dt_url_fragment varchar
url_extract_host 1 dt_url_host varchar
url_extract_parameter 2 dt_url_parameter varchar
url_extract_path 1 dt_url_path varchar
url_extract_port 1 dt_url_port bigint
url_extract_protocol 1 dt_url_protocol varchar
url_extract_query 1 dt_url_query varchar
"""

_AGGREGATE = """
any_value 1 any_value 0
arbitrary 1 any_value 0
approx_distinct 1 approx_count_distinct bigint
approx_percentile 2 approx_quantile 0
array_agg 1 list a0
avg 1 @avg ?
bitwise_and_agg 1 bit_and bigint
bitwise_or_agg 1 bit_or bigint
bool_and 1 bool_and boolean
bool_or 1 bool_or boolean
every 1 bool_and boolean
corr 2 corr double
count 0 count bigint
count 1 count bigint
count_if 1 @count_if bigint
covar_pop 2 covar_pop double
covar_samp 2 covar_samp double
geometric_mean 1 geomean double
histogram 1 @histogram ?
kurtosis 1 kurtosis double
listagg 1 string_agg varchar
listagg 2 string_agg varchar
map_agg 2 @map_agg ?
max 1 max 0
max 2 max a0
max_by 2 arg_max_null 0
max_by 3 arg_max a0
min 1 min 0
min 2 min a0
min_by 2 arg_min_null 0
min_by 3 arg_min a0
regr_intercept 2 regr_intercept double
regr_slope 2 regr_slope double
skewness 1 skewness double
stddev 1 stddev_samp double
stddev_pop 1 stddev_pop double
stddev_samp 1 stddev_samp double
sum 1 @sum ?
var_pop 1 var_pop double
var_samp 1 var_samp double
variance 1 var_samp double
grouping 1+ grouping integer
"""

_WINDOW = """
cume_dist 0 cume_dist double
dense_rank 0 dense_rank bigint
first_value 1 first_value 0
lag 1 lag 0
lag 2 lag 0
lag 3 lag 0
last_value 1 last_value 0
lead 1 lead 0
lead 2 lead 0
lead 3 lead 0
nth_value 2 nth_value 0
ntile 1 ntile bigint
percent_rank 0 percent_rank double
rank 0 rank bigint
row_number 0 row_number bigint
"""


@dataclass(frozen=True)
class Function:
    """One allowed function with one number of arguments (`open_ended`: that many or more)."""

    name: str
    arity: int
    open_ended: bool
    target: str
    returns: str
    kind: str  # scalar | aggregate | window


def _read(text: str, kind: str) -> list[Function]:
    found: list[Function] = []
    for line in text.strip().splitlines():
        name, arity, target, returns = line.split(" ", 3)
        found.append(Function(name, int(arity.rstrip("+")), arity.endswith("+"), target, returns, kind))
    return found


ALL: tuple[Function, ...] = (*_read(_SCALAR, "scalar"), *_read(_AGGREGATE, "aggregate"), *_read(_WINDOW, "window"))

_BY_NAME: dict[str, list[Function]] = {}
for _function in ALL:
    _BY_NAME.setdefault(_function.name, []).append(_function)

NAMES: frozenset[str] = frozenset(_BY_NAME)

NONDETERMINISTIC = frozenset({"rand", "random", "uuid", "now", "shuffle"})


def find(name: str, count: int) -> Function | None:
    """The entry for a call with `count` arguments, or None."""
    for function in _BY_NAME.get(name, ()):
        if function.arity == count or (function.open_ended and count >= function.arity):
            return function
    return None


def arities(name: str) -> str:
    """How many arguments a known function takes, for messages."""
    return " or ".join(f"{f.arity}{' or more' if f.open_ended else ''}" for f in _BY_NAME[name])


def returned(function: Function, arguments: list[exp.Expr]) -> exp.DataType | None:
    """The type of a call, from the table; None where it is not known."""
    rule = function.returns
    if rule == "?":
        return None
    if rule.isdigit():
        if function.name in ("coalesce", "nvl", "greatest", "least"):
            return _common(arguments)
        return _type_of(arguments, int(rule))
    if rule == "e0":
        first = _type_of(arguments, 0)
        if types.kind(first) is exp.DType.ARRAY and first is not None and first.expressions:
            return first.expressions[0]
        if types.kind(first) is exp.DType.MAP and first is not None and len(first.expressions) == 2:
            return first.expressions[1]
        return None
    if rule == "a0":
        first = _type_of(arguments, 0)
        return exp.DataType(this=exp.DType.ARRAY, expressions=[first.copy()], nested=True) if first else None
    return types.data_type(rule)


def _type_of(arguments: list[exp.Expr], position: int) -> exp.DataType | None:
    if position >= len(arguments):
        return None
    inner = arguments[position]
    while isinstance(inner, (exp.Order, exp.Distinct)):
        inner = inner.this if isinstance(inner, exp.Order) else inner.expressions[0]
    return inner.type if types.kind(inner) is not None and isinstance(inner.type, exp.DataType) else None


def _common(arguments: list[exp.Expr]) -> exp.DataType | None:
    result = _type_of(arguments, 0)
    for position in range(1, len(arguments)):
        other = _type_of(arguments, position)
        if other is None or result is None:
            result = result or other
        elif types.kind(result) is not types.kind(other):
            result = types.arithmetic("+", result, other)
            if result is None:
                return None
    return result
